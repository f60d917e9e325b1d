//! Flags of `damson bench durable`, and what its figures mean.

use clap::{Args as ClapArgs, value_parser};

/// What is done and what the figures mean; shown below the flags.
const DEFINITIONS: &str = "\
THE BENCHMARK
  Writers put keys of 16 bytes with values of 64, each waiting until its put is on disk before the next: into a node with
  sync always, and into a bare file to which one thread appends all that waits and which it then syncs. Both in turns of
  one second, in one temporary directory.

FIGURES
  puts_per_s      of the node
  log_per_s       of the bare file
  ratio           of these two; the goal is 0.5";

#[derive(Debug, ClapArgs)]
#[command(after_long_help = DEFINITIONS)]
pub struct BenchDurable {
    /// How many write at once.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = value_parser!(u16).range(1..=1_024))]
    pub writers: u16,
    /// Turns of each.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u16).range(1..=1_000))]
    pub turns: u16,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
