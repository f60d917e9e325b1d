//! Flags of `power`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, value_parser};

const DEFINITIONS: &str = "\
WHAT IS DONE
  strace follows a real `damson serve --sync always` with four clients that set, delete, add, remove, count and set two keys
  at once, through a clean stop, a second start, and kill -9. From its calls the directory is built again as the power
  might have left it at --cuts moments, half of them where a reply has just left, in four ways: nothing that was not synced
  is kept; all of it; some of its pages and entries; all but for the end of the last write to each file. Entries of
  directories are kept only when the directory is synced, which is less than most file systems promise. A real node
  starts on each.

FIGURES
  early_replies  replies that left before the row they acknowledge was in a synced journal
  opened         images on which a node started, of images
  set_aside      images that it took for damaged
  lost           acknowledged before the cut, and missing or older
  resurrected    deleted and acknowledged before the cut, and there
  torn           keys set together of which one is there without the other
  mark_again     images with the mark of a clean stop after the next start had acknowledged something

Exit status 1 when one of them is not as it must be. Needs strace.";

/// Power failures.
#[derive(Debug, ClapArgs)]
#[command(after_help = DEFINITIONS)]
pub struct PowerArgs {
    /// At how many moments the power fails.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = value_parser!(u32).range(2..=1_000_000))]
    pub cuts: u32,
    /// Commands of each client, in each of the two starts.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..=10_000))]
    pub requests: u32,
    /// What is written, when the power fails and what is left comes from this; what the process makes of it does not.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The `damson` command [default: the one beside this one].
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
