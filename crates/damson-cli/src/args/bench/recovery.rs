//! Flags of `damson bench recovery`, and what its figures mean.

use clap::{Args as ClapArgs, value_parser};

/// What is done and what the figures mean; shown below the flags.
const DEFINITIONS: &str = "\
THE BENCHMARK
  A child process writes --keys keys of 16 bytes with values of 64 to a node that keeps its data in a temporary directory
  (sync interval), and aborts. A node is started on what is left, stopped cleanly, and started once more.

FIGURES
  open_ms                      from the start until everything can be read, after the abort
  keys_per_s                   --keys / open_ms
  clean_open_ms                the same after the clean stop
  payload_bytes                keys and values alone
  bytes_on_disk                what the directory takes in the end, as the file system counts it
  bytes_on_disk_over_payload   of these two
  bytes_written                what the child had written to disk, as the system counts it; 0 where it does not
  write_amplification          bytes_written / payload_bytes";

#[derive(Debug, ClapArgs)]
#[command(after_long_help = DEFINITIONS)]
pub struct BenchRecovery {
    /// Keys.
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = value_parser!(u32).range(1..=50_000_000))]
    pub keys: u32,
    /// Write there, and abort.
    #[arg(long, hide = true, value_name = "DIR")]
    pub write_to: Option<std::path::PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}
