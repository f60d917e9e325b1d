//! What was measured.

use damson_core::replica::Extent;
use serde::{Deserialize, Serialize};

use super::super::figures::median;
use super::difference::Measured;
use super::options::{SyncBenchOptions, SyncPath};

/// What was measured: medians over the runs. Frames count without the transport's framing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SyncBenchReport {
    /// Keys at each node.
    pub keys: usize,
    /// Keys in which they differed.
    pub diff: usize,
    /// Actors who have written what both hold.
    pub actors: usize,
    /// The path that was asked for.
    pub path: String,
    /// The path that was taken in all runs: `context`, `sketch`, or `full` when one side took everything; `mixed` when runs
    /// differ.
    pub taken: String,
    /// All of anti-entropy's frames in both directions until both are equal, in bytes.
    pub bytes: u64,
    /// How many frames.
    pub frames: u64,
    /// The smallest encoding of the cells in which they differed: each author's as one list of batches.
    pub payload_bytes: u64,
    /// What had to be sent at least. Path context: `payload_bytes` and the entries of the authors in a context. Else, where
    /// nobody knows what is missing, `payload_bytes` and d (64 - log2 d + 1.443) / 8 for d differing keys with names of 64
    /// bits.
    pub bound_bytes: f64,
    /// `bytes` over `bound_bytes`.
    pub ratio: f64,
    /// Coded symbols for each differing key.
    pub symbols_per_diff: f64,
    /// Bytes of the frames with symbols, and of those that asked for more or named what they had shown.
    pub sketch_bytes: u64,
    /// These over d (64 - log2 d + 1.443) / 8.
    pub sketch_ratio: f64,
    /// Bytes of the symbols alone, over the same.
    pub symbols_ratio: f64,
    /// Frames, one because of the other, from the first request on until both are equal, two for a round trip. The check
    /// that has shown that they differ, and the digests that say where, are one before that.
    pub round_trips: f64,
    /// Of a hundred runs 99 take no more.
    pub round_trips_p99: f64,
    /// Processor time that handling frames took at the node that begins, in milliseconds.
    pub cpu_ms_a: f64,
    /// The same at the other.
    pub cpu_ms_b: f64,
    /// What an equal pair says in a round.
    pub equal_bytes: u64,
    /// Runs.
    pub runs: usize,
}

impl SyncBenchReport {
    /// What is not as it was asked for.
    pub fn fault(&self) -> Option<String> {
        let free = self.path == SyncPath::Auto.to_string();
        (!free && self.path != self.taken)
            .then(|| format!("the path {} was asked for, and {} was taken", self.path, self.taken))
    }
}

pub fn report(options: &SyncBenchOptions, runs: &[Measured]) -> SyncBenchReport {
    let of = |figure: &dyn Fn(&Measured) -> f64| median(runs.iter().map(figure));
    let whole = |count: f64| count.round() as u64;
    let taken = taken(runs);
    let bound = |run: &Measured| {
        let beside = if taken == "context" { run.actors_bytes as f64 } else { sketch_bound(options.diff) };
        run.payload_bytes as f64 + beside
    };
    let round_trips = |run: &Measured| f64::from(run.round.equal_after.unwrap_or_default()) / 2.0 - CHECK;
    let mut all_round_trips: Vec<f64> = runs.iter().map(round_trips).collect();
    all_round_trips.sort_by(f64::total_cmp);
    let cpu_ms = |at: usize| of(&|run| run.round.cpu[at].as_secs_f64() * 1_000.0);
    SyncBenchReport {
        keys: options.keys,
        diff: options.diff,
        actors: options.actors,
        path: options.path.to_string(),
        bytes: whole(of(&|run| run.round.bytes as f64)),
        frames: whole(of(&|run| run.round.frames as f64)),
        payload_bytes: whole(of(&|run| run.payload_bytes as f64)),
        bound_bytes: of(&bound),
        ratio: of(&|run| run.round.bytes as f64 / bound(run)),
        symbols_per_diff: of(&|run| run.round.symbols as f64) / options.diff as f64,
        sketch_bytes: whole(of(&|run| run.round.sketch_bytes as f64)),
        sketch_ratio: of(&|run| run.round.sketch_bytes as f64) / sketch_bound(options.diff),
        symbols_ratio: of(&|run| run.round.symbol_bytes as f64) / sketch_bound(options.diff),
        round_trips: of(&round_trips),
        round_trips_p99: all_round_trips[(runs.len() * 99).div_ceil(100) - 1],
        cpu_ms_a: cpu_ms(0),
        cpu_ms_b: cpu_ms(1),
        equal_bytes: whole(of(&|run| run.equal.bytes as f64)),
        runs: runs.len(),
        taken,
    }
}

fn taken(runs: &[Measured]) -> String {
    let name = |run: &Measured| match run.round.extent {
        Some(Extent::Whole) => SyncPath::Full,
        Some(Extent::Differing) => SyncPath::Sketch,
        Some(Extent::Missing) | None => SyncPath::Context,
    };
    let first = runs.first().map_or(SyncPath::Auto, name);
    if runs.iter().all(|run| name(run) == first) { first.to_string() } else { "mixed".into() }
}

/// Round trips of a check and its answer.
const CHECK: f64 = 1.0;

/// The least number of bytes that name d unknown members of a set of 64-bit names.
fn sketch_bound(diff: usize) -> f64 {
    let d = diff as f64;
    d * (64.0 - d.log2() + 1.443) / 8.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_of_sketches_falls_below_eight_bytes_for_each() {
        assert!((sketch_bound(1) - 65.443 / 8.0).abs() < 1e-9);
        assert!(sketch_bound(1_000) < 8_000.0 && sketch_bound(1_000) > 6_000.0);
    }
}
