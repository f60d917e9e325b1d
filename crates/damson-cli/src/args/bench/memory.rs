//! Flags of `damson bench memory`, and what its figures mean.

use clap::{Args as ClapArgs, value_parser};
use damson_sim::bench::memory::Entries;

/// What is done and what the figures mean; shown below the flags.
const DEFINITIONS: &str = "\
THE BENCHMARK
  For each type a process of its own fills a replica with --entries entries, each by a write of its own, and compares
  what the replica counts with the growth of the resident memory. Keys, elements and names of fields have 16 bytes,
  values 64. The replica is used as that of a node in memory that nobody watches.

TYPES
  register, counter      each at a key of its own
  string                 SET
  string_set_with_end    SET with EX
  string_expire          SET, then EXPIRE: the time-to-live is a cell of its own
  set_element, map_field  all in one set, or map
  small_map_field        maps of ten fields each
  removal                a removal that is remembered: of the newest 65,536 of a scope, by default

FIGURES, in bytes for each entry
  <type>_measured        what the process grew by
  <type>_counted         what the replica counts, on which limits of memory rest
  <type>_ratio           counted over measured
  off_max                the greatest distance of a ratio from 1";

#[derive(Debug, ClapArgs)]
#[command(after_long_help = DEFINITIONS)]
pub struct BenchMemory {
    /// Entries of each type.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = value_parser!(u32).range(1..=50_000_000))]
    pub entries: u32,
    /// One type only.
    #[arg(long = "type", value_name = "TYPE")]
    pub only: Option<Entries>,
    /// How far counted and measured may be apart, in hundredths.
    #[arg(long, value_name = "H", default_value_t = 15)]
    pub off: u32,
    /// Hold one type, say what was measured and counted, and end: what this command asks of its children.
    #[arg(long, hide = true, requires = "only")]
    pub hold: bool,
    /// The last line of stdout is one JSON object; else a table.
    #[arg(long)]
    pub json: bool,
}
