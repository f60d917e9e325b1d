//! `damson bench cluster`: nodes in this process, over TCP on loopback with TLS.
//!
//! ```text
//!   nodes (start, link) --> visible (single puts, watched) --> burst (all at once, until equal) --> report
//! ```

mod burst;
mod nodes;
mod report;
mod visible;

use std::process::ExitCode;

use anyhow::Context;

use crate::args::BenchCluster;
use crate::progress::Progress;
use crate::report::print;
use nodes::Nodes;
use report::Report;

/// Runs the benchmark, and shows the figures.
pub fn run(args: &BenchCluster) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(measure(args))?;
    print(&report, args.json)?;
    if !report.converged {
        eprintln!("damson: the nodes did not become equal");
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: &BenchCluster) -> anyhow::Result<Report> {
    let mut progress = Progress::new();
    progress.step("starting nodes");
    let nodes = Nodes::start(args).await?;
    let told = |put: u32| progress.step(&format!("single put {} of {}", put + 1, args.singles));
    let visible = visible::measure(&nodes, args, told).await.context("single puts")?;
    progress.step(&format!("{} puts", args.puts));
    let burst = burst::measure(&nodes, args).await.context("the burst")?;
    progress.end();
    nodes.stop().await;
    Ok(Report::new(args, visible, &burst))
}
