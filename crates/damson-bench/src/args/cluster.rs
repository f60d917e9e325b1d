//! Flags of `cluster`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, value_parser};

const DEFINITIONS: &str = "\
WHAT IS MEASURED
  visible_ms_p50, _p99    single puts at the first node, from the put until the last of the others has told of it. Those of
                          chitchat begin at any time between two rounds of gossip
  converged_puts_per_s    --puts puts of 16 and 64 bytes at all nodes at once, each putting its share, until all hold all
  bytes_per_put           what all nodes have sent meanwhile
  times                   how many times better Damson is
  Damson is `damson bench cluster --sync never`: TCP with TLS 1.3, in memory. Nodes of chitchat are in memory, too, and talk
  by its own UDP transport; only payload of datagrams is counted. Both in one process each, over loopback.";

/// A cluster, beside chitchat.
#[derive(Debug, ClapArgs)]
#[command(after_help = DEFINITIONS)]
pub struct ClusterArgs {
    /// How many nodes.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = value_parser!(u16).range(2..=32))]
    pub nodes: u16,
    /// Puts of the burst.
    #[arg(long, value_name = "P", default_value_t = 20_000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub puts: u32,
    /// Single puts.
    #[arg(long, value_name = "S", default_value_t = 300, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub singles: u32,
    /// The time between two rounds of gossip of a node of chitchat, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 25, value_parser = value_parser!(u64).range(1..=10_000))]
    pub gossip_ms: u64,
    /// The `damson` command [default: the one beside this one].
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// The last line of stdout is one JSON object; else a table.
    #[arg(long)]
    pub json: bool,
}

impl ClusterArgs {
    #[cfg_attr(not(feature = "peers"), expect(dead_code, reason = "only chitchat gossips"))]
    pub fn gossip(&self) -> Duration {
        Duration::from_millis(self.gossip_ms)
    }
}
