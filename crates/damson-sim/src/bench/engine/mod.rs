//! The benchmark of the engine: a [`Replica`](damson_core::replica::Replica) beside a bare hash map that does the same work.
//!
//! Keys have 16 bytes, values 64. The bare map is hashbrown's with its default hasher (foldhash); it takes `Bytes`, which
//! it allocates itself, but where it is said to be *ready*. The replica is used as a node uses it: what changed is taken
//! out after each write and each batch, as rows and as keys.
//!
//! Both sides do each kind of work one right after the other, in turns who is first, so that whatever else the machine
//! does meanwhile slows both; ratios are taken within a run, and of several runs the median counts.

mod author;
mod bare;
mod beside;
mod held;
mod load;
mod replica;
mod report;
mod run;

use super::Elapsed;

pub use beside::{Filled, TwoSets, add_all, put_all};
pub use held::{Held, Side, hold};
pub(super) use replica::{ACTOR, WALL_MS};
pub use report::EngineReport;

/// What is measured.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Keys that the maps hold.
    pub keys: usize,
    /// Deltas of each kind that are merged in a run.
    pub deltas: usize,
    /// Runs, of which the median counts.
    pub runs: usize,
}

impl EngineOptions {
    /// As many deltas as suit this number of keys, and five runs.
    pub fn new(keys: usize) -> Self {
        Self { keys, deltas: (keys / 10).max(100_000), runs: 5 }
    }
}

/// Runs the benchmark; `progress` is told which run begins.
pub fn run_engine(
    options: &EngineOptions,
    clock: Elapsed<'_>,
    progress: &mut dyn FnMut(usize),
) -> EngineReport {
    let load = load::Load::new(options);
    let runs = (0..options.runs).map(|at| {
        progress(at);
        run::run(&load, clock, at % 2 == 0)
    });
    report::report(options, &runs.collect::<Vec<_>>())
}
