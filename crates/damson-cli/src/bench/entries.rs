//! `damson bench memory`: what entries take, as it is counted and as it is.

use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, ensure};
use damson_sim::bench::memory::{Entries, hold};
use serde_json::{Map, Value, json};

use super::memory::resident_bytes;
use crate::args::BenchMemory;
use crate::progress::Progress;
use crate::report::print;

/// Runs the benchmark, and shows the figures.
pub fn run(args: &BenchMemory) -> anyhow::Result<ExitCode> {
    if let (Some(entries), true) = (args.only, args.hold) {
        let (measured, counted) = measure(entries, args.entries)?;
        println!("{measured} {counted}");
        return Ok(ExitCode::SUCCESS);
    }
    let mut progress = Progress::new();
    let mut figures = Map::new();
    figures.insert("entries".into(), args.entries.into());
    let mut off_max = 0_f64;
    for entries in Entries::ALL.into_iter().filter(|entries| args.only.is_none_or(|only| only == *entries)) {
        progress.step(entries.name());
        let (measured, counted) = ask_child(entries, args)?;
        let ratio = counted / measured;
        off_max = off_max.max((ratio - 1.0).abs());
        for (what, n) in [("measured", measured), ("counted", counted), ("ratio", ratio)] {
            figures.insert(format!("{entries}_{what}"), json!(n));
        }
    }
    figures.insert("off_max".into(), json!(off_max));
    progress.end();
    print(&Value::Object(figures), args.json)?;
    Ok(if off_max * 100.0 <= f64::from(args.off) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Bytes for each entry by which this process grows, and those that are counted.
fn measure(entries: Entries, count: u32) -> anyhow::Result<(f64, f64)> {
    let before = resident_bytes()?;
    let held = hold(entries, usize::try_from(count).context("so many entries")?);
    let grown = resident_bytes()?.saturating_sub(before);
    Ok((grown as f64 / f64::from(count), held.counted_bytes as f64 / f64::from(count)))
}

/// Each type is measured in a process of its own, so that all find the same memory.
fn ask_child(entries: Entries, args: &BenchMemory) -> anyhow::Result<(f64, f64)> {
    let own = std::env::current_exe().context("where is this command?")?;
    let mut child = Command::new(own);
    child.args([
        "bench",
        "memory",
        "--hold",
        "--type",
        entries.name(),
        "--entries",
        &args.entries.to_string(),
    ]);
    let output = child.stderr(Stdio::inherit()).output().context("the child that measures does not start")?;
    ensure!(output.status.success(), "the child that measures ended with {}", output.status);
    let text = String::from_utf8_lossy(&output.stdout);
    let read = text.trim().split_once(' ').and_then(|(a, b)| Some((a.parse().ok()?, b.parse().ok()?)));
    read.with_context(|| format!("the child that measures said {text:?}"))
}
