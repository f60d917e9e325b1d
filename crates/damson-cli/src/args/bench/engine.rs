//! Flags of `damson bench engine`, and what its figures mean.

use clap::{Args as ClapArgs, ValueEnum, value_parser};
use damson_sim::bench::engine::{EngineOptions, Side};

use super::odd;

/// What is done and what the figures mean; shown below the flags.
const DEFINITIONS: &str = "\
THE BENCHMARK
  One replica in memory beside one bare hash map (hashbrown with foldhash) of byte strings. Keys have 16 bytes, values
  64. In each run both do the same, one right after the other, in turns who is first; figures are medians over the
  runs, ratios those within a run. The replica is used as that of a node in memory that nobody watches: no rows for a
  disk, no names of changed keys. The hash map allocates key and value of each insert, but where it says ready. A
  second is one of processor time (cpu_clock), so that what others do on the machine counts less.

FIGURES
  hashmap_insert_per_s           new keys into the hash map, from empty to --keys
  hashmap_overwrite_per_s        keys overwritten, at random, when it holds --keys
  hashmap_overwrite_ready_per_s  the same with keys and values allocated before, as those of a batch are
  hashmap_new_per_s              new keys into a map of --keys that has room; at most a tenth, then they are removed
  hashmap_get_per_s, get_per_s   keys read, at random
  local_put_per_s                transactions of one put of a new key, from empty to --keys
  merge_per_s                    batches of another actor, decoded before, each of which overwrites one key, at random
  merge_new_per_s                the same, each with one new key
  merge_together_per_s           the same, up to 1,024 batches in one frame
  merge_over_hashmap             merge_per_s over hashmap_insert_per_s
  merge_together_over_hashmap    merge_together_per_s over hashmap_insert_per_s
  merge_over_hashmap_overwrite   merge_per_s over hashmap_overwrite_per_s
  merge_over_hashmap_ready       merge_per_s over hashmap_overwrite_ready_per_s
  merge_new_over_hashmap         merge_new_per_s over hashmap_new_per_s
  local_put_over_hashmap         local_put_per_s over hashmap_insert_per_s
  bytes_per_entry                what a process of its own grows by (resident memory) while it puts --keys, for each;
                                 several replicas where --keys is below 100,000
  hashmap_bytes_per_entry        the same for the hash map
  memory_over_hashmap            bytes_per_entry over hashmap_bytes_per_entry";

/// Which side a child process holds in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Hold {
    Hashmap,
    Engine,
}

#[derive(Debug, ClapArgs)]
#[command(after_long_help = DEFINITIONS)]
pub struct BenchEngine {
    /// Keys that the maps hold.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = value_parser!(u32).range(1..=50_000_000))]
    pub keys: u32,
    /// Deltas of each kind that are merged in a run [default: 100000, or a tenth of the keys if that is more].
    #[arg(long, value_name = "M", value_parser = value_parser!(u32).range(1..=50_000_000))]
    pub deltas: Option<u32>,
    /// Runs, of which the median counts: an odd number.
    #[arg(long, default_value_t = 5, value_parser = odd)]
    pub runs: usize,
    /// Fill one side, say by how many bytes this process has grown, and end: what this command asks of its children.
    #[arg(long, value_enum, hide = true)]
    pub hold: Option<Hold>,
    /// The last line of stdout is one JSON object; else a table.
    #[arg(long)]
    pub json: bool,
}

impl BenchEngine {
    pub fn options(&self) -> EngineOptions {
        let count = |n: u32| usize::try_from(n).expect("a number of keys");
        let defaults = EngineOptions::new(count(self.keys));
        EngineOptions { deltas: self.deltas.map_or(defaults.deltas, count), runs: self.runs, ..defaults }
    }
}

impl Hold {
    /// As the flag's value.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hashmap => "hashmap",
            Self::Engine => "engine",
        }
    }
}

impl From<Hold> for Side {
    fn from(hold: Hold) -> Self {
        match hold {
            Hold::Hashmap => Self::HashMap,
            Hold::Engine => Self::Engine,
        }
    }
}
