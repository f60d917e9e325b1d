//! Flags of `engine`.

use clap::{Args as ClapArgs, value_parser};

use super::odd;
use crate::engine::Side;

const DEFINITIONS: &str = "\
WHAT IS MEASURED
  put       registers with keys of 16 and values of 64 bytes, from empty to --keys: Damson's replica in memory, a
            transaction each, beside `NodeState::set` of chitchat
  set_add   elements of 16 bytes, from empty to --keys, all in one set: Damson, a transaction each, beside `Orswot` of crdts
            (`derive_add_ctx`, `add`, `apply`)
  merge     one new element comes to a set of --keys from a replica that has all the others as well: Damson takes the batch
            that says so, crdts the other set as a whole (`CvRDT::merge`)
  ..._ns    processor time of one of these, of the one thread that does them
  ..._bytes memory of an entry: what a process of its own grows by, with the same allocator for all
  times     how many times less Damson takes; in each run both do the same work, in turns who is first, and the median of
            all runs counts";

/// What the engine does, beside chitchat and crdts.
#[derive(Debug, ClapArgs)]
#[command(after_help = DEFINITIONS)]
pub struct EngineArgs {
    /// Keys of the map, and elements of the set.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub keys: u32,
    /// Runs, of which the median counts: an odd number.
    #[arg(long, value_name = "R", default_value_t = 5, value_parser = odd)]
    pub runs: usize,
    /// Fill one side, say by how many bytes this process has grown for each entry, and end: what this command asks of its
    /// children.
    #[arg(long, value_enum, hide = true)]
    pub hold: Option<Side>,
    /// The last line of stdout is one JSON object; else a table.
    #[arg(long)]
    pub json: bool,
}
