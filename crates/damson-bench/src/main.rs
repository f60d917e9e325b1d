//! `damson-bench`: Damson measured. Its overlay beside a peer's in the same virtual network, and whole clusters of processes.
//!
//! ```text
//!   overlay   --> peer (iroh-gossip's state machine, feature `peers`) --> row --.
//!             `-> damson (the simulator of damson-sim)                --> row --+--> table or JSON
//!   processes --> damson serve, thirty times --> kill -9 --> outcome ------------> text or JSON
//! ```
//!
//! Figures of the overlay do not depend on the machine: they are counted, in virtual time. Those of processes do.

mod args;
mod overlay;
mod processes;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Overlay(args) => overlay::run(&args),
        Command::Processes(args) => processes::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("damson-bench: {error:#}");
        ExitCode::FAILURE
    })
}
