//! Flags of `crash`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, value_parser};

const DEFINITIONS: &str = "\
WHAT IS DONE
  Real `damson serve` processes, on loopback, with data in a temporary directory. In each cycle four
  writers at each node set, delete, add, remove and count through the Redis protocol, a few commands at once. At a random
  instant one node is killed with kill -9, in one of seven cycles all are, in one of ten the data of the one that was
  killed are removed as well (then nobody writes there in this cycle), in one of five those that start again are killed
  once more meanwhile. The others are written to all the while. Once all nodes have the same digest everything that each
  holds is read, and compared with what was acknowledged.

FIGURES
  cycles          cycles that were run
  kills           processes killed; wipes: data removed
  acked           commands acknowledged
  unknown         commands sent and not answered; they may have happened or not
  lost            acknowledged, and missing or older at a node
  resurrected     deleted and acknowledged, or never written, and there at a node
  counter_error   totals of counters below what was acknowledged, above what was sent, or different at two nodes
  seconds         all of it

Exit status 1 when lost, resurrected or counter_error is not 0, or nothing was acknowledged.";

/// kill -9 at random instants.
#[derive(Debug, ClapArgs)]
#[command(after_help = DEFINITIONS)]
pub struct CrashArgs {
    /// How many times.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub cycles: u32,
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = value_parser!(u16).range(1..=6))]
    pub nodes: u16,
    /// Who is killed when, and what is written, comes from this; what it meets in the processes does not [default: the time].
    #[arg(long)]
    pub seed: Option<u64>,
    /// What an acknowledgement promises: `always` and `interval` outlive kill -9; with `never` much must be lost where all are
    /// killed, which shows that it would be noticed.
    #[arg(long, value_name = "WHEN", default_value = "always", value_parser = ["always", "interval", "never"])]
    pub sync: String,
    /// Write all that happened to this file, one JSON object in a line.
    #[arg(long, value_name = "FILE")]
    pub dump: Option<PathBuf>,
    /// Run nothing; judge what was dumped.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["dump", "cycles", "nodes", "seed"])]
    pub from: Option<PathBuf>,
    /// The `damson` command [default: the one beside this one].
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
