//! `damson sim overlay`: the experiment of the overlay's papers.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;

use super::create;
use super::swarm::{Shown, peak_rss_mb};
use crate::args::SimOverlay;
use crate::report::{IMPOSSIBLE, print};

/// Runs the experiment, and shows the figures.
pub fn overlay(args: &SimOverlay) -> anyhow::Result<ExitCode> {
    let options = args.options();
    if let Err(reason) = options.check() {
        eprintln!("damson: {reason}");
        return Ok(ExitCode::from(IMPOSSIBLE));
    }
    // Files that cannot be written show before the run, not after it.
    let mut dump = args.dump.as_deref().map(create).transpose()?;
    let mut plot = args.plot.as_deref().map(create).transpose()?;
    let shown = Shown::new();
    let run = damson_sim::run_overlay(&options, &mut |progress| shown.show(progress));
    let run = run.map_err(anyhow::Error::msg)?;
    shown.end();
    if let Some(out) = &mut dump {
        run.write_evidence(out).and_then(|()| out.flush()).context("the evidence could not be written")?;
    }
    if let Some(out) = &mut plot {
        out.write_all(run.plot().as_bytes())
            .and_then(|()| out.flush())
            .context("the plot could not be written")?;
    }
    let mut report = run.report();
    report.sim_wall_s = shown.wall_s();
    report.peak_rss_mb = peak_rss_mb();
    print(&report, args.json)?;
    Ok(ExitCode::SUCCESS)
}
