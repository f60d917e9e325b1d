//! Flags of `join`.

use std::time::Duration;

use clap::{Args as ClapArgs, value_parser};

const DEFINITIONS: &str = "\
WHAT IS MEASURED
  Two nodes in this process, over TCP on loopback with TLS 1.3 and a cluster secret, in memory. One holds --keys keys of 16
  bytes. The other is new, and knows only a proxy in front of the first.
  bytes           towards the new node, until it holds all
  seconds         from the moment the new node dials until both have the same digest
  first_seconds   of these, until the first 16 KiB have come: greetings, digests, the first part
  least_seconds   bytes / --rate; absent without a limit
  ratio           seconds / least_seconds
  minimal_bytes   keys and values alone
  The proxy carries --rate bytes in a second in each direction (two milliseconds' worth at once), and each byte --delay-ms
  later. TCP's own beginning is not delayed: the proxy is near to both.";

/// A new node behind a slow or a long link.
#[derive(Debug, ClapArgs)]
#[command(after_help = DEFINITIONS)]
pub struct JoinArgs {
    /// Keys at the first node.
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = value_parser!(u32).range(1..=10_000_000))]
    pub keys: u32,
    /// How long each value is.
    #[arg(long, value_name = "B", default_value_t = 64, value_parser = value_parser!(u32).range(..=1_000_000))]
    pub value_bytes: u32,
    /// What the link carries in each direction, in bytes a second; 0 for no limit.
    #[arg(long, value_name = "BYTES_PER_S", default_value_t = 100_000_000, value_parser = value_parser!(u64).range(..=100_000_000_000))]
    pub rate: u64,
    /// How long a byte takes from one end to the other, in milliseconds.
    #[arg(long, value_name = "D", default_value_t = 1, value_parser = value_parser!(u64).range(..=10_000))]
    pub delay_ms: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

impl JoinArgs {
    pub fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms)
    }

    /// Keys and values alone.
    pub fn minimal_bytes(&self, key_bytes: usize) -> u64 {
        u64::from(self.keys) * (key_bytes as u64 + u64::from(self.value_bytes))
    }
}
