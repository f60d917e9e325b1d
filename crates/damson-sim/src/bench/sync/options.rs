//! What is measured.

use std::fmt;
use std::str::FromStr;

/// Keys in all runs that are loaded and sent, so that a benchmark ends within a minute or so.
const KEYS_IN_ALL: usize = 12_000_000;
const RUNS_MAX: usize = 51;
const RUNS_MIN: usize = 3;

/// Which way of anti-entropy is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncPath {
    /// Recent writes of known authors; whichever way the nodes take.
    Auto,
    /// The same; they have to take what contexts say is missing.
    Context,
    /// The log of removals no longer explains what is missing, and comparing by sketches is off: they have to take everything.
    Full,
    /// The log of removals no longer explains what is missing: they compare by sketches. A round before has made both keep
    /// their first symbols.
    Sketch,
}

/// What is measured.
#[derive(Debug, Clone)]
pub struct SyncBenchOptions {
    /// Keys at each node.
    pub keys: usize,
    /// Keys in which they differ: half of them missing at each.
    pub diff: usize,
    /// Who has written the keys that both hold: so many actors, each in the contexts of both.
    pub actors: usize,
    /// By which way they become equal.
    pub path: SyncPath,
    /// Runs, of which the median counts.
    pub runs: usize,
}

impl SyncBenchOptions {
    /// As many runs as suit these sizes: 51, fewer where much is loaded or sent.
    pub fn new(keys: usize, diff: usize, path: SyncPath) -> Self {
        let sent = if path == SyncPath::Full { 2 * keys } else { diff };
        let runs = (KEYS_IN_ALL / (2 * keys + 4 * sent).max(1)).clamp(RUNS_MIN, RUNS_MAX);
        Self { keys, diff, actors: 1, path, runs: runs - (runs + 1) % 2 }
    }

    /// Keys that the first node writes while it is alone.
    pub(super) fn first_half(&self) -> usize {
        self.diff.div_ceil(2)
    }

    /// Keys that both load. Besides these each writes one while all is well.
    pub(super) fn shared(&self) -> usize {
        self.keys - self.first_half() - 2
    }

    /// What is impossible about them.
    ///
    /// # Errors
    /// The limit that is broken.
    pub fn check(&self) -> Result<(), String> {
        match () {
            () if self.diff == 0 => Err("a difference of 0 keys: nothing would be measured".into()),
            () if self.keys < self.first_half() + 2 => Err(format!(
                "{} keys are too few for a difference of {}: each node holds half of it, and two more",
                self.keys, self.diff
            )),
            () if self.actors == 0 || self.actors > self.shared().max(1) => Err(format!(
                "{} actors cannot have written the {} keys that both hold",
                self.actors,
                self.shared()
            )),
            () if self.runs == 0 => Err("no runs".into()),
            () => Ok(()),
        }
    }
}

impl fmt::Display for SyncPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Context => "context",
            Self::Full => "full",
            Self::Sketch => "sketch",
        })
    }
}

impl FromStr for SyncPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Auto, Self::Context, Self::Full, Self::Sketch];
        let found = all.into_iter().find(|path| path.to_string() == text);
        found.ok_or_else(|| format!("{text:?} is no path; there are auto, context, full and sketch"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_odd_and_fewer_where_much_is_sent() {
        let runs = |keys, diff, path| SyncBenchOptions::new(keys, diff, path).runs;
        assert_eq!(runs(100_000, 10, SyncPath::Context), 51);
        assert_eq!(runs(100_000, 10, SyncPath::Full), 11);
        assert_eq!(runs(10_000_000, 10, SyncPath::Full), 3);
        for keys in [10, 77_777, 1_000_000, 3_000_000] {
            assert_eq!(runs(keys, 10, SyncPath::Auto) % 2, 1, "{keys}");
        }
    }

    #[test]
    fn what_cannot_be_measured_is_refused() {
        let check = |keys, diff, path| SyncBenchOptions::new(keys, diff, path).check();
        assert!(check(1_000, 0, SyncPath::Auto).is_err());
        assert!(check(6, 10, SyncPath::Auto).is_err());
        assert!(check(7, 10, SyncPath::Auto).is_ok());
        assert!("bloom".parse::<SyncPath>().is_err());
        assert_eq!("full".parse(), Ok(SyncPath::Full));
    }
}
