//! Real processes: a cluster of `damson serve` forms, a part of it is killed with kill -9 at one instant, the rest agrees on
//! members and state, and goes on.
//!
//! All listen on loopback, on ports that the system gives, with data in a temporary directory, and with the defaults for
//! everything else. All join through the first, which may be among the killed.

mod cluster;
mod course;
pub mod daemon;
mod http;
mod load;
mod outcome;
pub mod redis;

use std::process::ExitCode;

use anyhow::ensure;

use crate::args::Processes;
use crate::binary;

/// Runs it and prints what came out. Fails when something that must hold did not.
pub fn run(args: &Processes) -> anyhow::Result<ExitCode> {
    let survivors = args.nodes.saturating_sub(args.kill);
    ensure!(survivors >= 2, "{} of {} processes killed: at least 2 must survive", args.kill, args.nodes);
    let binary = binary::find(args.binary.as_deref())?;
    let outcome = course::run(args, &binary)?;
    if args.json {
        println!("{}", serde_json::to_string(&outcome)?);
    } else {
        print!("{}", outcome.text());
    }
    Ok(if outcome.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
