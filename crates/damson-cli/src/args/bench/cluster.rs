//! Flags of `damson bench cluster`, and what its figures mean.

use clap::{Args as ClapArgs, ValueEnum, value_parser};
use damson::Sync;

/// What is done and what the figures mean; shown below the flags.
const DEFINITIONS: &str = "\
THE BENCHMARK
  --nodes nodes in this process, linked over TCP on loopback with TLS 1.3 and a cluster secret made for this run. Their
  data is in a temporary directory; with --sync never in memory. Keys have 16 bytes. First --singles puts at the first
  node, one after the other; then --puts puts, as many at each node, all at once.

SINGLE PUTS. Each waits until it is acknowledged, and visible on all other nodes
  visible_ms_p50, _p99       from the call until a watch (visible_by) on the last of the other nodes has told the key

THE BURST. Each node has one writer, which waits for the acknowledgement of every 64th put
  acknowledged_puts_per_s    from the first put until all are acknowledged
  converged_puts_per_s       from the first put until all nodes have the same digest; null when that did not come
  wire_bytes                 what all nodes sent meanwhile, whatever it was: with framing, without TLS and TCP
  minimal_wire_bytes         the smallest encoding of a put, once for each other node, for all puts
  overhead_bytes_per_put     wire_bytes less minimal_wire_bytes, for each put, all links together
  frames_per_put             frames that all nodes sent, for each put
  links_expelled             links closed because the other end read too slowly: what they had not sent yet came by
                             anti-entropy";

/// When a write is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SyncWhen {
    /// At once, in memory.
    Never,
    /// Once it is written.
    Interval,
    /// Once it is on disk.
    Always,
}

#[derive(Debug, ClapArgs)]
#[command(after_long_help = DEFINITIONS)]
pub struct BenchCluster {
    /// How many nodes.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u16).range(2..=32))]
    pub nodes: u16,
    /// Puts of the burst.
    #[arg(long, value_name = "P", default_value_t = 100_000, value_parser = value_parser!(u32).range(1..=100_000_000))]
    pub puts: u32,
    /// Single puts.
    #[arg(long, value_name = "S", default_value_t = 2_000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub singles: u32,
    /// The length of values.
    #[arg(long, value_name = "B", default_value_t = 64, value_parser = value_parser!(u32).range(..=1_048_576))]
    pub value_bytes: u32,
    /// When a write is acknowledged.
    #[arg(long, value_name = "WHEN", value_enum, default_value_t = SyncWhen::Interval)]
    pub sync: SyncWhen,
    /// The last line of stdout is one JSON object; else a table.
    #[arg(long)]
    pub json: bool,
}

impl SyncWhen {
    pub fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Interval => "interval",
            Self::Always => "always",
        }
    }
}

impl From<SyncWhen> for Sync {
    fn from(when: SyncWhen) -> Self {
        match when {
            SyncWhen::Never => Self::Never,
            SyncWhen::Interval => Self::Interval,
            SyncWhen::Always => Self::Always,
        }
    }
}
