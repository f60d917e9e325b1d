//! What to run: how many nodes for how long, what fails, what starves.

use std::fmt;
use std::str::FromStr;

use crate::swarm::Network;

/// When survivors learn, but for the silence, that a node has crashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashNotice {
    /// At once: its links break and dials to it are refused, as when a process on a living machine is killed.
    Instant,
    /// Not at all: frames to it vanish and dials get no answer, as when a machine loses its power.
    Silent,
}

/// The experiment. The same options give the same run.
#[derive(Debug, Clone, PartialEq)]
pub struct LivenessOptions {
    /// How many nodes. Default 1,000.
    pub nodes: usize,
    /// All chance comes from this. Default 1.
    pub seed: u64,
    /// Frames that vanish, in percent. Default 0.
    pub loss_pct: f64,
    /// The measured time, in virtual minutes. Default 5.
    pub minutes: u64,
    /// Nodes that crash in it. Default 1.
    pub kill: usize,
    /// When a crash is noticed. Default not at all.
    pub detect: CrashNotice,
    /// Nodes that starve through all of it. Default 0.
    pub starve: usize,
    /// Keys that all nodes hold before the measured time begins, with names of 16 bytes and values of 64. Default 0.
    pub keys: usize,
    /// The shortest and the longest delay of a link, in microseconds; each pair of nodes has one for good. Default 1 ms.
    pub delay_us: (u64, u64),
}

/// The rosters of more nodes than this would not fit into memory.
const NODES_MAX: usize = 2_000;
/// Keys at all nodes together: about 6 GB.
const ENTRIES_MAX: usize = 20_000_000;
/// A day.
const MINUTES_MAX: u64 = 1_440;

impl Default for LivenessOptions {
    fn default() -> Self {
        Self {
            nodes: 1_000,
            seed: 1,
            loss_pct: 0.0,
            minutes: 5,
            kill: 1,
            detect: CrashNotice::Silent,
            starve: 0,
            keys: 0,
            delay_us: (1_000, 1_000),
        }
    }
}

impl LivenessOptions {
    /// The command that runs the same again.
    pub fn command(&self) -> String {
        let Self {
            nodes,
            seed,
            loss_pct,
            minutes,
            kill,
            detect,
            starve,
            keys,
            delay_us: (shortest, longest),
        } = self;
        let (shortest, longest) = (*shortest as f64 / 1e3, *longest as f64 / 1e3);
        format!(
            "damson sim liveness --nodes {nodes} --seed {seed} --loss {loss_pct} --minutes {minutes} --kill {kill} \
             --detect {detect} --starve {starve} --keys {keys} --delay-ms {shortest}..{longest}"
        )
    }

    /// Can this be run? Says which limit is broken, and what to do.
    pub fn check(&self) -> Result<(), String> {
        let Self { nodes, minutes, kill, starve, .. } = *self;
        match () {
            () if nodes < 2 => Err(format!("{nodes} nodes: a cluster needs at least 2")),
            () if nodes > NODES_MAX => Err(format!("{nodes} nodes: at most {NODES_MAX}, each with a roster")),
            () if kill.saturating_add(starve) > nodes - 2 => Err(format!(
                "{kill} nodes to kill and {starve} to starve of {nodes}: 2 must be left; kill or starve fewer, or begin \
                 with more"
            )),
            () if self.keys.saturating_mul(nodes) > ENTRIES_MAX => Err(format!(
                "{} keys at {nodes} nodes: at most {ENTRIES_MAX} entries in all fit into memory; fewer keys or fewer nodes",
                self.keys
            )),
            () if minutes == 0 => Err("0 minutes: nothing would be measured; give at least 1".into()),
            () if minutes > MINUTES_MAX => Err(format!("{minutes} minutes: at most {MINUTES_MAX}, a day")),
            () => Network::check(self.delay_us, self.loss_pct),
        }
    }
}

impl fmt::Display for CrashNotice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instant => "instant",
            Self::Silent => "silent",
        })
    }
}

impl FromStr for CrashNotice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "instant" => Ok(Self::Instant),
            "silent" => Ok(Self::Silent),
            _ => Err(format!("{text:?} is neither instant nor silent")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut LivenessOptions)) -> String {
        let mut options = LivenessOptions::default();
        change(&mut options);
        options.check().expect_err("it must be refused")
    }

    #[test]
    fn the_defaults_and_the_most_that_can_fail_are_possible() {
        LivenessOptions::default().check().unwrap();
        LivenessOptions { nodes: 10, kill: 4, starve: 4, ..LivenessOptions::default() }.check().unwrap();
        LivenessOptions { nodes: 2, kill: 0, ..LivenessOptions::default() }.check().unwrap();
    }

    #[test]
    fn what_is_impossible_is_refused_with_the_limit() {
        for (said, wanted) in [
            (refused(|o| o.nodes = 1), "at least 2"),
            (refused(|o| o.nodes = 1_000_000), "at most 2000"),
            (refused(|o| (o.nodes, o.kill, o.starve) = (10, 5, 4)), "2 must be left"),
            (refused(|o| o.keys = 20_001), "fit into memory"),
            (refused(|o| (o.kill, o.starve) = (usize::MAX, 1)), "2 must be left"),
            (refused(|o| o.minutes = 0), "at least 1"),
            (refused(|o| o.minutes = 100_000), "at most 1440"),
            (refused(|o| o.loss_pct = 100.0), "not including, 100"),
            (refused(|o| o.loss_pct = -1.0), "not including, 100"),
            (refused(|o| o.loss_pct = f64::NAN), "not including, 100"),
            (refused(|o| o.delay_us = (2_000, 1_000)), "the first must not be greater"),
            (refused(|o| o.delay_us = (1_000, 2_000_000)), "at most 1000 ms"),
        ] {
            assert!(said.contains(wanted), "{said:?} does not say {wanted:?}");
        }
    }

    #[test]
    fn words_are_read_back() {
        for notice in [CrashNotice::Instant, CrashNotice::Silent] {
            assert_eq!(notice.to_string().parse(), Ok(notice));
        }
        assert!("soon".parse::<CrashNotice>().is_err());
    }
}
