//! Commands and flags.

mod backup;
mod bench;
mod exchanges;
mod liveness;
mod overlay;
mod publisher;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ClapArgs, Parser, Subcommand};

pub use backup::{Backup, Restore, Verify};
pub use bench::{
    BenchCluster, BenchCommand, BenchDurable, BenchEngine, BenchMemory, BenchRecovery, BenchSync, Hold,
    SyncWhen,
};
pub use exchanges::{Exchanges, Which};
pub use liveness::SimLiveness;
pub use overlay::SimOverlay;
pub use publisher::SimPublisher;

/// A shared, always-writable state on every node of a cluster, without a coordinator.
#[derive(Debug, Parser)]
#[command(name = "damson", version)]
pub struct Args {
    /// Log more, to stderr. The environment variable RUST_LOG says it in detail.
    #[arg(long, short, global = true)]
    pub verbose: bool,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node: the cluster port, the Redis protocol, HTTP.
    Serve(Box<Serve>),
    /// Five nodes in one process, with something to see: no configuration needed.
    Demo(Demo),
    /// How a running node is.
    Status(Query),
    /// The members of the cluster, as a running node sees them.
    Members(Members),
    /// Over which links the writes of a member reach the others: all members are asked, through a running node.
    Tree(Tree),
    /// What a node compares with others at this moment: exchanges of handlers, and anti-entropy's own; and ending it.
    Exchanges(Exchanges),
    /// Copy the state of a running node into a directory or object storage.
    Backup(Backup),
    /// Make a data directory from a backup.
    Restore(Restore),
    /// Check that a data directory, or a backup, is sound.
    Verify(Verify),
    /// Give the node of a data directory a new key, and so a new id. It must not run.
    ///
    /// The data stay, and nothing is counted twice: it joins as a new member that has everything. The old key is not kept. The
    /// old id has left, or is dead; remove it with `damson members forget` once the new one is a member. Lists of allowed
    /// nodes, and files of --trust-on-first-use of other nodes, have to be told.
    RotateKey(RotateKey),
    /// Simulate a cluster: the real node, a virtual clock, network and disk.
    Sim {
        #[command(subcommand)]
        command: SimCommand,
    },
    /// Benchmarks: the engine, anti-entropy, a cluster. They print figures; trust the ratios more than the rates.
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
    },
}

#[derive(Debug, Subcommand)]
pub enum SimCommand {
    /// Faults of every kind under load, and checks that nothing is lost, nothing returns, and all nodes agree.
    ///
    /// The last line of the output is one JSON object with --json. Exit status 1 when something was violated.
    Cluster(SimCluster),
    /// The experiment of the overlay's papers (HyParView, DSN 2007; Plumtree, SRDS 2007), with the real node.
    ///
    /// The defaults are the papers' setting. --help says what each figure means.
    Overlay(SimOverlay),
    /// Crashes, lost frames and starved nodes under watch: how soon a crash is known to all, and whether anybody is taken for
    /// dead who lives.
    ///
    /// Exit status 1 when a living member was judged dead, or a crash is not known to all in the end. --help says what
    /// each figure means.
    Liveness(SimLiveness),
    /// What a publisher's updates cost the node that publishes, in clusters of several sizes: everything that it sends, by kind.
    ///
    /// Exit status 1 when a node lacks something in the end, or more was sent than one payload to each neighbour. --help says
    /// what each figure means.
    Publisher(SimPublisher),
}

/// Every flag can also stand in the configuration file (TOML, the same names with underscores) or in the environment
/// (DAMSON_NAME, DAMSON_DATA_DIR, ...; lists separated by commas). Flags win over the environment, the
/// environment over the file.
#[derive(Debug, ClapArgs)]
pub struct Serve {
    /// The node's name, a label for people.
    #[arg(long)]
    pub name: Option<String>,
    /// Where state and identity are kept.
    #[arg(long)]
    pub data_dir: Option<PathBuf>,
    /// Where to listen for other nodes [default: 127.0.0.1:7400].
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<String>,
    /// Where other nodes dial this one, when that is not where it listens.
    #[arg(long, value_name = "ADDR")]
    pub advertise: Option<String>,
    /// Where to serve the Redis protocol [default: 127.0.0.1:6400].
    #[arg(long, value_name = "ADDR")]
    pub redis: Option<String>,
    /// Where to serve HTTP: health, metrics, status, dashboard [default: 127.0.0.1:8500].
    #[arg(long, value_name = "ADDR")]
    pub http: Option<String>,
    /// A member to join through; can be given several times.
    #[arg(long, value_name = "ADDR")]
    pub join: Vec<String>,
    /// A name whose addresses are members to join through, such as that of a headless Kubernetes service; resolved again
    /// while the node runs. Can be given several times.
    #[arg(long, value_name = "HOST:PORT")]
    pub join_dns: Vec<String>,
    /// A file with addresses of members to join through, one a line, # for comments; read again when it changes, waited
    /// for when it is not there. Can be given several times.
    #[arg(long, value_name = "FILE")]
    pub join_file: Vec<PathBuf>,
    /// The cluster: nodes of different realms never mix [default: default].
    #[arg(long)]
    pub realm: Option<String>,
    /// Where the node stands: a data centre, a rack.
    #[arg(long)]
    pub zone: Option<String>,
    /// A file with the cluster secret, 64 hexadecimal digits. Several files rotate: all are valid, the first proves.
    #[arg(long, value_name = "FILE")]
    pub cluster_secret_file: Vec<PathBuf>,
    /// For laboratories: a file, made when it is not there, with who answered first at which address; another node there is
    /// refused until the line is removed. Enough to listen for other machines, but anybody can join at a new address.
    #[arg(long, value_name = "FILE")]
    pub trust_on_first_use: Option<PathBuf>,
    /// When a write is acknowledged: always (on disk), interval (written, on disk within a second), never (memory)
    /// [default: interval].
    #[arg(long, value_name = "WHEN")]
    pub sync: Option<String>,
    /// How often the disk is flushed with --sync interval, in milliseconds [default: 1000].
    #[arg(long, value_name = "MS")]
    pub sync_interval_ms: Option<u64>,
    /// When writes to one scope are acknowledged, such as sessions=never; can be given several times.
    #[arg(long, value_name = "SCOPE=WHEN")]
    pub scope_sync: Vec<String>,
    /// Should the stored state be damaged, and no contact be named: go on with what is left of it. The damaged files are set
    /// aside. Only for the last node of a cluster.
    #[arg(long)]
    pub accept_loss: bool,
    /// What the state may take in memory, such as 512MiB or 4GiB: beyond it local writes that add something are refused
    /// [default: no limit].
    #[arg(long, value_name = "SIZE")]
    pub memory_max: Option<String>,
    /// The same for each user scope, or with SCOPE= for one; can be given several times.
    #[arg(long, value_name = "[SCOPE=]SIZE")]
    pub scope_memory_max: Vec<String>,
    /// What anti-entropy may take from other members in a second, such as 10MiB [default: 256MiB].
    #[arg(long, value_name = "SIZE")]
    pub transfer_rate: Option<String>,
    /// How long a write waits while peers or the disk are behind what is written, before it is refused with TRYAGAIN; 0s
    /// refuses at once [default: 10s].
    #[arg(long, value_name = "DURATION")]
    pub write_patience: Option<String>,
    /// A configuration file.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

#[derive(Debug, ClapArgs)]
pub struct Demo {
    /// No waiting for people: load, a partition, a heal, a verdict.
    #[arg(long)]
    pub headless: bool,
    /// How long, such as 20s or 2m.
    #[arg(long = "for", value_parser = duration, default_value = "20s")]
    pub duration: Duration,
    /// The last line of stdout is one JSON object (with --headless).
    #[arg(long)]
    pub json: bool,
    /// How many nodes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(2..=32))]
    pub nodes: u16,
}

#[derive(Debug, ClapArgs)]
pub struct Query {
    /// The HTTP address of a node.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8500")]
    pub http: String,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Members {
    #[command(flatten)]
    pub query: Query,
    #[command(subcommand)]
    pub command: Option<MembersCommand>,
}

#[derive(Debug, Subcommand)]
pub enum MembersCommand {
    /// Remove a member that is dead or has left, for good: nobody waits for it or counts it any more. What it wrote stays. It
    /// comes back by joining again.
    Forget {
        /// Its name, or its id where several have the same name.
        member: String,
        /// The HTTP address of a node.
        #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8500")]
        http: String,
    },
}

#[derive(Debug, ClapArgs)]
pub struct RotateKey {
    /// The data directory.
    #[arg(long, value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, ClapArgs)]
pub struct Tree {
    #[command(flatten)]
    pub query: Query,
    /// The member whose writes travel over the tree [default: the node that is asked].
    #[arg(long, value_name = "NAME_OR_ID")]
    pub root: Option<String>,
}

#[derive(Debug, ClapArgs)]
pub struct SimCluster {
    /// How many nodes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(2..=1_000))]
    pub nodes: u32,
    /// How long, in virtual minutes.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    pub minutes: u64,
    /// The seed: the same seed gives the same run, byte for byte [default: 1; with a broken rule 1 and on to 8, until it shows].
    #[arg(long)]
    pub seed: Option<u64>,
    /// Several seeds, both ends included; the results are added up.
    #[arg(long, value_name = "FROM..TO", value_parser = seeds, conflicts_with = "seed")]
    pub seeds: Option<(u64, u64)>,
    /// Break one rule of the replica, to see that the checks notice; `list` names them.
    #[arg(long = "break", value_name = "RULE")]
    pub break_rule: Option<String>,
    /// The last line is one JSON object.
    #[arg(long)]
    pub json: bool,
    /// Write the raw events of the run to this file.
    #[arg(long, value_name = "FILE")]
    pub dump: Option<PathBuf>,
}

pub fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration; write 500ms, 20s, 5m or 1h");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let n: u64 = text[..split].parse().map_err(|_| wrong())?;
    let ms = match &text[split..] {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    n.checked_mul(ms).map(Duration::from_millis).ok_or_else(wrong)
}

fn seeds(text: &str) -> Result<(u64, u64), String> {
    let parsed = text.split_once("..").and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    match parsed {
        Some((from, to)) if from <= to => Ok((from, to)),
        _ => Err(format!("{text:?} is no range of seeds; write 1..20")),
    }
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
    fn durations_and_seeds_are_read_and_nonsense_is_refused() {
        assert_eq!(duration("20s"), Ok(Duration::from_secs(20)));
        assert!(duration("20").is_err() && duration("x").is_err() && duration("").is_err());
        assert_eq!(seeds("3..9"), Ok((3, 9)));
        assert!(seeds("9..3").is_err() && seeds("3").is_err());
    }
}
