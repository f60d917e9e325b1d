//! The benchmark of anti-entropy: two real nodes in memory that differ in some keys, and all that they say to each other
//! until they are equal again.
//!
//! Keys have 16 bytes, values 64. Each run has a pair of its own: both load the same keys of another author, link, write
//! one key each, so that each knows the other for an author, and settle. A round before ends a difference of the same size (1,000
//! keys at most, overwritten), as in nodes that have been linked for a while: what the link carries is known then. Then all
//! frames vanish while each writes its half of the difference: new keys, missing at the other. With the frames back, the first
//! begins a round with the second.
//!
//! ```text
//!   options --> pair (two nodes, frames counted as they pass) --> difference --> round --> report
//! ```
//!
//! Frames arrive at once and in order, and no time passes: nothing but anti-entropy speaks.

mod difference;
mod options;
mod pair;
mod report;
mod round;

use super::Elapsed;

pub use options::{SyncBenchOptions, SyncPath};
pub use report::SyncBenchReport;

/// Runs the benchmark. `cpu` is a clock of processor time; `progress` is told which run begins.
///
/// # Errors
/// Impossible options, with the limit that is broken; a pair that does not become equal.
pub fn run_sync(
    options: &SyncBenchOptions,
    cpu: Elapsed<'_>,
    progress: &mut dyn FnMut(usize),
) -> Result<SyncBenchReport, String> {
    options.check()?;
    let shared = difference::shared(options);
    let runs = (0..options.runs).map(|at| {
        progress(at);
        let mut pair = pair::Pair::start(&shared, at as u64, options.path, cpu);
        difference::measure(options, &mut pair)
    });
    Ok(report::report(options, &runs.collect::<Result<Vec<_>, String>>()?))
}
