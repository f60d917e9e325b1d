//! The damson command: a daemon, a demonstration, a look at a running cluster, backups, the fault simulator, and benchmarks.

mod args;
mod backup;
mod bench;
mod demo;
mod exchanges;
mod http;
mod members;
mod progress;
mod query;
mod report;
mod restore;
mod rotate_key;
mod secret;
mod serve;
mod sim;
mod size;
mod tree;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;

use args::{Args, Command, SimCommand};

fn main() -> ExitCode {
    let args = Args::parse();
    log_to_stderr(args.verbose, matches!(args.command, Command::Demo(_) | Command::Bench { .. }));
    let result = match args.command {
        Command::Serve(serve) => serve::run(*serve),
        Command::Demo(demo) => demo::run(&demo),
        Command::Status(query) => query::status(&query),
        Command::Members(args) => members::run(&args),
        Command::Tree(args) => tree::run(&args),
        Command::Exchanges(args) => exchanges::run(&args),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::restore(&args),
        Command::Verify(args) => restore::verify(&args),
        Command::RotateKey(args) => rotate_key::run(&args),
        Command::Sim { command: SimCommand::Cluster(cluster) } => sim::cluster(&cluster),
        Command::Sim { command: SimCommand::Overlay(overlay) } => sim::overlay(&overlay),
        Command::Sim { command: SimCommand::Liveness(liveness) } => sim::liveness(&liveness),
        Command::Sim { command: SimCommand::Publisher(publisher) } => sim::publisher(&publisher),
        Command::Bench { command } => bench::run(&command),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            eprintln!("damson: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// What is logged goes to stderr: stdout belongs to results. The demonstration cuts and kills on purpose, and a
/// benchmark is not to be slowed down, so they log errors only. `RUST_LOG` overrides.
fn log_to_stderr(verbose: bool, quiet: bool) {
    let default = match (verbose, quiet) {
        (true, _) => "debug",
        (false, true) => "error",
        (false, false) => "damson=info,damson_server=info,warn",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env().unwrap_or_else(|_| default.into());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
}
