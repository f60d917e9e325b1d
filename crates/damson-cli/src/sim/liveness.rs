//! `damson sim liveness`: how soon crashes are known, and whether anybody is wrongly taken for dead.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use damson_sim::LivenessReport;

use super::create;
use super::swarm::{Shown, peak_rss_mb};
use crate::args::SimLiveness;
use crate::report::{IMPOSSIBLE, print};

/// Runs the experiment, and shows the figures.
pub fn liveness(args: &SimLiveness) -> anyhow::Result<ExitCode> {
    let options = args.options();
    if let Err(reason) = options.check() {
        eprintln!("damson: {reason}");
        return Ok(ExitCode::from(IMPOSSIBLE));
    }
    // A file that cannot be written shows before the run, not after it.
    let mut dump = args.dump.as_deref().map(create).transpose()?;
    let shown = Shown::new();
    let run = damson_sim::run_liveness(&options, &mut |progress| shown.show(progress));
    let run = run.map_err(anyhow::Error::msg)?;
    shown.end();
    if let Some(out) = &mut dump {
        run.write_evidence(out).and_then(|()| out.flush()).context("the evidence could not be written")?;
    }
    let mut report = run.report();
    report.sim_wall_s = shown.wall_s();
    report.peak_rss_mb = peak_rss_mb();
    let code = judge(&report);
    print(&report, args.json)?;
    Ok(code)
}

/// Says what was not as it should be.
fn judge(report: &LivenessReport) -> ExitCode {
    if !report.settled {
        eprintln!("damson: not all rosters showed all as alive when the measured time began");
    }
    let faults = report.faults();
    if faults.is_empty() {
        return ExitCode::SUCCESS;
    }
    faults.iter().for_each(|fault| eprintln!("damson: {fault}"));
    eprintln!("again, with evidence: {} --dump FILE", report.command);
    ExitCode::FAILURE
}
