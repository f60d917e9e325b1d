//! `damson-bench`: Damson measured, beside its peers where there are any. Its overlay in a virtual network, its engine, its
//! anti-entropy and its clusters; and whole clusters of processes.
//!
//! ```text
//!   overlay   --> peer (iroh-gossip's state machine, feature `peers`) --> row --.
//!             `-> damson (the simulator of damson-sim)                --> row --+--> table or JSON
//!   engine    --> chitchat's state, crdts' set      (feature `peers`) --.
//!             `-> damson-sim's replica                                 |
//!   sync      --> chitchat over UDP, negentropy, riblt   (`peers`)   --+
//!             `-> damson over TCP, damson-sim's pair                   +--> comparison --> table or JSON
//!   join      --> two nodes, and a network between them that is slow or far: proxy --> outcome --> text or JSON
//!   cluster   --> chitchat over UDP                      (`peers`)   --|
//!             `-> damson bench cluster, a child                      --'
//!   processes --> damson serve, thirty times --> kill -9 --> outcome ------------> text or JSON
//!   crash     --> damson serve, three times, kill -9 again and again --> events --> judge --> text or JSON
//!   power     --> damson serve under strace --> disk as it was synced --> nodes on it --> judge --> text or JSON
//! ```
//!
//! Figures of the overlay, and bytes of differences, do not depend on the machine: they are counted, in virtual time or
//! none. All others do.

mod args;
mod binary;
#[cfg(feature = "peers")]
mod chitchats;
mod clock;
mod cluster;
mod comparison;
mod crash;
mod damsons;
mod engine;
mod entry;
mod join;
mod overlay;
mod patience;
mod power;
mod processes;
mod sync;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

use std::process::ExitCode;

use clap::Parser;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let outcome = match Args::parse().command {
        Command::Overlay(args) => overlay::run(&args),
        Command::Processes(args) => processes::run(&args),
        Command::Engine(args) => engine::run(&args),
        Command::Sync(args) => sync::run(&args),
        Command::Join(args) => join::run(&args),
        Command::Cluster(args) => cluster::run(&args),
        Command::Crash(args) => crash::run(&args),
        Command::Power(args) => power::run(&args),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("damson-bench: {error:#}");
        ExitCode::FAILURE
    })
}
