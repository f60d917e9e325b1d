//! `damson bench engine`: a replica beside a bare hash map.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, ensure};
use damson_sim::bench::engine::{EngineOptions, EngineReport, hold, run_engine};
use serde::Serialize;

use super::clocks::{THREAD_CLOCK, thread_time};
use super::memory::resident_bytes;
use crate::args::{BenchEngine, Hold};
use crate::progress::Progress;
use crate::report::print;

/// The figures, and what they were measured with.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    report: EngineReport,
    cpu_clock: &'static str,
}

/// Runs the benchmark, and shows the figures.
pub fn run(args: &BenchEngine) -> anyhow::Result<ExitCode> {
    if let Some(side) = args.hold {
        println!("{}", grown_by(side, &args.options())?);
        return Ok(ExitCode::SUCCESS);
    }
    let mut progress = Progress::new();
    let runs = args.runs;
    let tell = &mut |run: usize| progress.step(&format!("run {} of {runs}", run + 1));
    let mut report = run_engine(&args.options(), &thread_time, tell);
    progress.step("memory");
    report.set_memory(bytes_per_entry(Hold::Engine, args)?, bytes_per_entry(Hold::Hashmap, args)?);
    progress.end();
    print(&Shown { report, cpu_clock: THREAD_CLOCK }, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Bytes for each entry, by which this process grows.
fn grown_by(side: Hold, options: &EngineOptions) -> anyhow::Result<f64> {
    let before = resident_bytes()?;
    let held = hold(side.into(), options.keys);
    let grown = resident_bytes()?.saturating_sub(before);
    Ok(grown as f64 / held.entries() as f64)
}

/// Each side is measured in a process of its own, so that both find the same memory.
fn bytes_per_entry(side: Hold, args: &BenchEngine) -> anyhow::Result<f64> {
    let own = std::env::current_exe().context("where is this command?")?;
    let keys = args.keys.to_string();
    let mut child = Command::new(own);
    child.args(["bench", "engine", "--keys", &keys, "--hold", side.name()]).stderr(Stdio::inherit());
    let output = child.output().context("the child that measures memory does not start")?;
    ensure!(output.status.success(), "the child that measures memory ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().with_context(|| format!("the child that measures memory said {text:?}"))
}
