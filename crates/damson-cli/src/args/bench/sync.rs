//! Flags of `damson bench sync`, and what its figures mean.

use clap::{Args as ClapArgs, value_parser};
use damson_sim::bench::sync::{SyncBenchOptions, SyncPath};

use super::odd;

/// What is done and what the figures mean; shown below the flags.
const DEFINITIONS: &str = "\
THE BENCHMARK
  Two nodes in memory, a and b, each with --keys keys of 16 bytes and values of 64. They differ in --diff of them: new
  keys, half of them missing at each. a begins one round of anti-entropy; frames arrive at once and in order, and no
  time passes, so that nothing else is said. Each run has a pair of its own; figures are medians over the runs.

PATHS
  auto     what is missing are recent writes of a and b, who know each other; whichever path the nodes take
  context  the same; it must be the one that contexts show
  sketch   besides, each has removed a key and forgotten that: the missing writes lie below the floor, no context can tell
           what became of the rest, and both compare their live dots by coded symbols
  full     the same without sketches: everything has to be sent

FIGURES
  taken                   the path that was taken: full when one side at least took everything, mixed when runs differ
  bytes                   all frames of anti-entropy in both directions until a and b are equal, without the
                          transport's framing; frames says how many
  payload_bytes           the smallest encoding of the cells in which they differed: each author's puts as one list
  bound_bytes             the least that had to be sent. Where contexts show what is missing: payload_bytes, and what a
                          context says of a and b. Else payload_bytes, and d (64 - log2 d + 1.443) / 8, which d unknown
                          members of a set of 64-bit names take
  ratio                   bytes over bound_bytes
  sketch_bytes            the frames with symbols, and those that ask for more or name what they have shown; sketch_ratio is that
                          over d (64 - log2 d + 1.443) / 8, symbols_ratio the symbols alone; symbols_per_diff counts them
  round_trips             frames, one because of the other, until a and b are equal, two for a round trip, after the check
                          that shows that they differ; of a hundred runs 99 take at most round_trips_p99
  cpu_ms_a, cpu_ms_b      processor time in which a and b handled the frames; cpu_clock says by which clock
  equal_bytes             what an equal pair says in a round";

#[derive(Debug, ClapArgs)]
#[command(after_long_help = DEFINITIONS)]
pub struct BenchSync {
    /// Keys at each node.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = value_parser!(u32).range(..=20_000_000))]
    pub keys: u32,
    /// Keys in which they differ.
    #[arg(long, value_name = "D", default_value_t = 10, value_parser = value_parser!(u32).range(..=20_000_000))]
    pub diff: u32,
    /// Actors who have written what both hold, each in the contexts of both.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub actors: u32,
    /// By which path they become equal.
    #[arg(long, value_name = "auto|context|sketch|full", default_value = "auto")]
    pub path: SyncPath,
    /// Runs, of which the median counts: an odd number [default: 51, fewer where much is loaded or sent].
    #[arg(long, value_parser = odd)]
    pub runs: Option<usize>,
    /// The last line of stdout is one JSON object; else a table.
    #[arg(long)]
    pub json: bool,
}

impl BenchSync {
    pub fn options(&self) -> SyncBenchOptions {
        let count = |n: u32| usize::try_from(n).expect("a number of keys");
        let defaults = SyncBenchOptions::new(count(self.keys), count(self.diff), self.path);
        SyncBenchOptions { runs: self.runs.unwrap_or(defaults.runs), actors: count(self.actors), ..defaults }
    }
}
