//! Flags of `damson bench`.

mod cluster;
mod durable;
mod engine;
mod memory;
mod recovery;
mod sync;

use clap::Subcommand;

pub use cluster::{BenchCluster, SyncWhen};
pub use durable::BenchDurable;
pub use engine::{BenchEngine, Hold};
pub use memory::BenchMemory;
pub use recovery::BenchRecovery;
pub use sync::BenchSync;

#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// The engine beside a bare hash map: writes, reads, merges in a second, and memory.
    ///
    /// --help says what each figure means.
    Engine(BenchEngine),
    /// What entries of each type take in memory: as a node counts it, and as a process grows.
    ///
    /// Exit status 1 when the two differ by more than --off hundredths. --help says what each figure means.
    Memory(BenchMemory),
    /// Two nodes in memory that differ in some keys: what anti-entropy sends until they are equal, and what that costs.
    ///
    /// Exit status 1 when another path was taken than was asked for. --help says what each figure means.
    Sync(BenchSync),
    /// A cluster in this process over TCP on loopback: how soon a put is visible everywhere, how many puts all nodes take
    /// in a second, and what they cost on the wire.
    ///
    /// Exit status 1 when the nodes do not become equal. --help says what each figure means.
    Cluster(BenchCluster),
    /// A start after the process died: how soon everything can be read, and what it takes on disk.
    ///
    /// --help says what each figure means.
    Recovery(BenchRecovery),
    /// Writers that wait until each put is on disk, beside a bare file that is appended to and synced.
    ///
    /// --help says what each figure means.
    Durable(BenchDurable),
}

/// An odd number, so that a median is a value that was measured.
fn odd(text: &str) -> Result<usize, String> {
    let runs = text.parse::<usize>().ok().filter(|runs| runs % 2 == 1 && *runs < 10_000);
    runs.ok_or_else(|| format!("{text:?} is no odd number below 10000"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_odd() {
        assert_eq!(odd("5"), Ok(5));
        assert!(odd("4").is_err() && odd("0").is_err() && odd("-1").is_err() && odd("10001").is_err());
    }
}
