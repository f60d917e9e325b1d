//! Flags of `sync`.

use std::time::Duration;

use clap::{Args as ClapArgs, value_parser};

use super::odd;

const DEFINITIONS: &str = "\
WHAT IS MEASURED
  join_ms, join_bytes   a node holds --keys keys of 16 bytes with values of 64, a second starts and takes them: from its start
                        until both are equal. Two real nodes in this process, over loopback. Damson: TCP with TLS 1.3 and a
                        cluster secret, all bytes of all links in both directions. chitchat: its own UDP transport, payload of
                        datagrams in both directions; it compresses, so values are letters in no order
  difference_bytes      two sides hold --keys keys, half of --diff missing at each: all bytes until both know what is
                        missing where, without sending it. Damson: its sketches and the names that answer them. negentropy: all
                        messages, both ways, for ids of 32 bytes in one timestamp
  ..._riblt             the same by riblt's coded symbols, one way: 8 bytes of symbol, 8 of hash, 8 of count
  round_trips           Damson: until both are equal, contents too. negentropy: until the one who asks knows the ids
  --gossip-ms           below the time that chitchat's nodes take for a round, questions pile up and are all answered with the
                        same keys: 100,000 keys take it 3 to 6 s in rounds of 50 ms, minutes and a hundred times the bytes in
                        rounds of 25
  times                 how many times less Damson takes";

/// What it costs until two nodes are equal, beside chitchat, negentropy and riblt.
#[derive(Debug, ClapArgs)]
#[command(after_help = DEFINITIONS)]
pub struct SyncArgs {
    /// Keys at each node.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = value_parser!(u32).range(4..=10_000_000))]
    pub keys: u32,
    /// Keys in which two nodes differ.
    #[arg(long, value_name = "D", default_value_t = 1_000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pub diff: u32,
    /// Runs, of which the median counts: an odd number.
    #[arg(long, value_name = "R", default_value_t = 3, value_parser = odd)]
    pub runs: usize,
    /// The time between two rounds of gossip of a node of chitchat, in milliseconds.
    #[arg(long, value_name = "MS", default_value_t = 50, value_parser = value_parser!(u64).range(1..=10_000))]
    pub gossip_ms: u64,
    /// The last line of stdout is one JSON object; else a table.
    #[arg(long)]
    pub json: bool,
}

impl SyncArgs {
    #[cfg_attr(not(feature = "peers"), expect(dead_code, reason = "only chitchat gossips"))]
    pub fn gossip(&self) -> Duration {
        Duration::from_millis(self.gossip_ms)
    }
}
