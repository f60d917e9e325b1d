//! `damson bench`: the engine, memory, anti-entropy, a cluster and the disk, measured.

mod allocator;
mod clocks;
mod cluster;
mod durable;
mod engine;
mod entries;
mod memory;
mod recovery;
mod sync;

use std::process::ExitCode;

use crate::args::BenchCommand;

/// Runs a benchmark and prints its figures.
pub fn run(command: &BenchCommand) -> anyhow::Result<ExitCode> {
    match command {
        BenchCommand::Engine(args) => engine::run(args),
        BenchCommand::Memory(args) => entries::run(args),
        BenchCommand::Sync(args) => allocator::in_a_process_that_keeps_memory(|| sync::run(args)),
        BenchCommand::Cluster(args) => cluster::run(args),
        BenchCommand::Recovery(args) => recovery::run(args),
        BenchCommand::Durable(args) => durable::run(args),
    }
}
