//! `damson sim publisher`: what a publisher's updates cost its node, with few and with many nodes.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use damson_sim::{PublisherReport, PublisherSize, Sent};

use super::create;
use super::swarm::{Shown, peak_rss_mb};
use crate::args::SimPublisher;
use crate::report::{IMPOSSIBLE, print};

/// Runs the experiment, and shows the figures.
pub fn publisher(args: &SimPublisher) -> anyhow::Result<ExitCode> {
    let options = args.options();
    if let Err(reason) = options.check() {
        eprintln!("damson: {reason}");
        return Ok(ExitCode::from(IMPOSSIBLE));
    }
    // A file that cannot be written shows before the run, not after it.
    let mut dump = args.dump.as_deref().map(create).transpose()?;
    let shown = Shown::new();
    let run = damson_sim::run_publisher(&options, &mut |progress| shown.show(progress));
    let run = run.map_err(anyhow::Error::msg)?;
    shown.end();
    if let Some(out) = &mut dump {
        run.write_evidence(out).and_then(|()| out.flush()).context("the evidence could not be written")?;
    }
    let mut report = run.report();
    report.sim_wall_s = shown.wall_s();
    report.peak_rss_mb = peak_rss_mb();
    let code = judge(&report);
    if args.json {
        print(&report, true)?;
    } else {
        print!("{}", table(&report));
    }
    Ok(code)
}

/// Says what was not as it should be.
fn judge(report: &PublisherReport) -> ExitCode {
    for size in report.sizes.iter().filter(|size| !size.settled) {
        eprintln!("damson: of {} nodes not all were settled when the measured time began", size.nodes);
    }
    let faults = report.faults();
    if faults.is_empty() {
        return ExitCode::SUCCESS;
    }
    faults.iter().for_each(|fault| eprintln!("damson: {fault}"));
    eprintln!("again, with evidence: {} --dump FILE", report.command);
    ExitCode::FAILURE
}

/// A line for each figure, a column for each number of nodes.
fn table(report: &PublisherReport) -> String {
    let mut out = String::new();
    let mut line = |name: &str, figure: &dyn Fn(&PublisherSize) -> String| {
        let figures: String = report.sizes.iter().map(|size| format!("{:>18}", figure(size))).collect();
        out += &format!("{name:<28}{figures}\n");
    };
    let sent = |sent: Sent| format!("{} / {}", sent.frames, sent.bytes);
    let ms = |ms: Option<f64>| ms.map_or_else(|| "-".into(), |ms| format!("{ms:.1}"));
    line("nodes", &|size| size.nodes.to_string());
    line("neighbours of the origin", &|size| size.neighbours.to_string());
    line("batches / operations", &|size| format!("{} / {}", size.batches, size.operations));
    line("payloads, frames / bytes", &|size| sent(size.payloads));
    line("announcements", &|size| sent(size.announcements));
    line("vectors", &|size| sent(size.vectors));
    line("probes", &|size| sent(size.probes));
    line("comparisons", &|size| sent(size.comparisons));
    line("other", &|size| sent(size.other));
    line("payload frames per update", &|size| format!("{:.3}", size.payload_frames_per_update));
    line("payload bytes per update", &|size| format!("{:.1}", size.payload_bytes_per_update));
    line("all frames per update", &|size| format!("{:.3}", size.frames_per_update));
    line("all bytes per update", &|size| format!("{:.1}", size.bytes_per_update));
    line("by the broadcast to all", &|size| size.broadcast_to_all.to_string());
    line("reached, ms mean", &|size| ms(size.reached_ms_mean));
    line("reached, ms max", &|size| ms(size.reached_ms_max));
    line("converged, ms", &|size| ms(size.converged_ms));
    line("lacking", &|size| size.lacking.to_string());
    let PublisherReport { payload_frames_ratio, payload_bytes_ratio, bytes_ratio, command, .. } = report;
    out += &format!(
        "the most nodes over the fewest: payload frames {payload_frames_ratio:.3}, payload bytes {payload_bytes_ratio:.3}, \
         all bytes {bytes_ratio:.3}\n{command}\n"
    );
    out
}
