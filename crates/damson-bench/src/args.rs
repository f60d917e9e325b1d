//! Commands and flags.

mod cluster;
mod crash;
mod engine;
mod join;
mod power;
mod sync;

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, value_parser};

pub use cluster::ClusterArgs;
pub use crash::CrashArgs;
pub use engine::EngineArgs;
pub use join::JoinArgs;
pub use power::PowerArgs;
pub use sync::SyncArgs;

use crate::overlay::{Detect, Dials};

/// Damson measured.
#[derive(Debug, Parser)]
#[command(name = "damson-bench", version)]
pub struct Args {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Broadcast over an overlay, Damson beside a peer (build with `--features peers`), in virtual time.
    Overlay(Overlay),
    /// Real processes: a cluster forms, a part of it is killed with kill -9, the rest agrees and goes on.
    Processes(Processes),
    /// The engine: a put, a set, a merge and their memory, Damson beside chitchat and crdts (build with `--features peers`).
    Engine(EngineArgs),
    /// A new node, and scattered differences: Damson beside chitchat, negentropy and riblt (build with `--features peers`).
    Sync(SyncArgs),
    /// A new node takes everything over a network that is slow, or far away: how near it comes to what the network carries.
    Join(JoinArgs),
    /// A cluster of real nodes on loopback: Damson beside chitchat (build with `--features peers`).
    Cluster(ClusterArgs),
    /// kill -9 at random instants under load, again and again: is anything lost that was acknowledged?
    Crash(CrashArgs),
    /// The power fails at any instant: what is left on a disk that keeps only what was synced, and what a node makes of it.
    Power(PowerArgs),
}

#[derive(Debug, ClapArgs)]
pub struct Overlay {
    /// How many nodes.
    #[arg(long, default_value_t = 1_000, value_parser = value_parser!(u32).range(2..=100_000))]
    pub nodes: u32,
    /// All chance comes from this.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The shortest and the longest delay between two nodes, in milliseconds; each pair has one for good.
    #[arg(long, value_name = "A..B", default_value = "10..100", value_parser = range)]
    pub delay_ms: (u64, u64),
    /// The time between two joins, in milliseconds.
    #[arg(long, default_value_t = 100, value_parser = value_parser!(u64).range(1..=60_000))]
    pub join_ms: u64,
    /// How long the overlay settles after the last join, in virtual seconds.
    #[arg(long, default_value_t = 500, value_parser = value_parser!(u64).range(..=100_000))]
    pub settle_s: u64,
    /// How many messages.
    #[arg(long, default_value_t = 200, value_parser = value_parser!(u32).range(1..=100_000))]
    pub messages: u32,
    /// Messages in a second.
    #[arg(long, default_value_t = 0.333, value_parser = rate)]
    pub rate: f64,
    /// Nodes that are killed at one instant, right before the first message, in percent.
    #[arg(long, value_name = "PCT", default_value_t = 0, value_parser = value_parser!(u32).range(..100))]
    pub kill: u32,
    /// When survivors learn of the killed: `instant`, or after so many milliseconds.
    #[arg(long, value_name = "WHEN", default_value = "instant")]
    pub detect: Detect,
    /// Is the peer told when a dial fails, as its own network layer tells it, or not, as in its own simulator?
    #[arg(long, value_enum, default_value_t = Dials::Told)]
    pub dials: Dials,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct Processes {
    /// How many processes.
    #[arg(long, default_value_t = 30, value_parser = value_parser!(u16).range(2..=200))]
    pub nodes: u16,
    /// How many of them are killed.
    #[arg(long, default_value_t = 15)]
    pub kill: u16,
    /// Which are killed comes from this.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The `damson` command [default: the one beside this one].
    #[arg(long, value_name = "PATH")]
    pub binary: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

fn range(text: &str) -> Result<(u64, u64), String> {
    let parsed = text.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match parsed {
        Some((from, to)) if from <= to && to <= 1_000 => Ok((from, to)),
        _ => Err(format!("{text:?} is no range of delays up to 1000 ms; write 10..100")),
    }
}

/// An odd number, so that a median is a value that was measured.
fn odd(text: &str) -> Result<usize, String> {
    let runs = text.parse::<usize>().ok().filter(|runs| runs % 2 == 1 && *runs < 1_000);
    runs.ok_or_else(|| format!("{text:?} is no odd number below 1000"))
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate: &f64| *rate > 0.0 && *rate <= 10_000.0);
    rate.ok_or_else(|| format!("{text:?} is no rate; give messages in a second, above 0 and at most 10000"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_consistent() {
        Args::command().debug_assert();
    }

    #[test]
    fn runs_are_odd() {
        assert_eq!(odd("5"), Ok(5));
        assert!(odd("4").is_err() && odd("0").is_err() && odd("-1").is_err() && odd("1001").is_err());
    }

    #[test]
    fn ranges_and_rates_are_read_and_nonsense_is_refused() {
        assert_eq!(range("10..100"), Ok((10, 100)));
        assert_eq!(range("50..50"), Ok((50, 50)));
        assert!(range("100..10").is_err() && range("10").is_err() && range("1..2000").is_err());
        assert_eq!(rate("0.333"), Ok(0.333));
        assert!(rate("0").is_err() && rate("-1").is_err() && rate("NaN").is_err());
    }
}
