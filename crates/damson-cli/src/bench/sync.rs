//! `damson bench sync`: two nodes that differ, and what it takes until they are equal.

use std::process::ExitCode;

use damson_sim::bench::sync::{SyncBenchReport, run_sync};
use serde::Serialize;

use super::clocks::{THREAD_CLOCK, thread_time};
use crate::args::BenchSync;
use crate::progress::Progress;
use crate::report::{IMPOSSIBLE, print};

/// The figures, and what they were measured with.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    report: SyncBenchReport,
    cpu_clock: &'static str,
}

/// Runs the benchmark, and shows the figures.
pub fn run(args: &BenchSync) -> anyhow::Result<ExitCode> {
    let options = args.options();
    if let Err(reason) = options.check() {
        eprintln!("damson: {reason}");
        return Ok(ExitCode::from(IMPOSSIBLE));
    }
    let mut progress = Progress::new();
    progress.step("making keys");
    let tell = &mut |run: usize| progress.step(&format!("run {} of {}", run + 1, options.runs));
    let report = run_sync(&options, &thread_time, tell).map_err(anyhow::Error::msg)?;
    progress.end();
    let fault = report.fault();
    print(&Shown { report, cpu_clock: THREAD_CLOCK }, args.json)?;
    if let Some(fault) = fault {
        eprintln!("damson: {fault}");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}
