//! `damson sim overlay`: the experiment of the overlay's papers.

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use damson_sim::{OverlayProgress, OverlayReport, OverlayRun};
use serde_json::Value;

use crate::args::SimOverlay;

/// Parameters that cannot be run.
const IMPOSSIBLE: u8 = 2;

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
    let begun = Instant::now();
    let to_terminal = std::io::stderr().is_terminal();
    let run = damson_sim::run_overlay(&options, &mut |progress| {
        if to_terminal {
            show(progress, begun);
        }
    });
    let run: OverlayRun = run.map_err(anyhow::Error::msg)?;
    if to_terminal {
        eprint!("\r\x1b[K");
    }
    if let Some(out) = &mut dump {
        run.write_evidence(out).and_then(|()| out.flush()).context("the evidence could not be written")?;
    }
    if let Some(out) = &mut plot {
        out.write_all(run.plot().as_bytes())
            .and_then(|()| out.flush())
            .context("the plot could not be written")?;
    }
    let mut report = run.report();
    report.sim_wall_s = begun.elapsed().as_secs_f64();
    report.peak_rss_mb = peak_rss_mb();
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        print!("{}", table(&report)?);
    }
    Ok(ExitCode::SUCCESS)
}

fn create(path: &Path) -> anyhow::Result<BufWriter<File>> {
    Ok(BufWriter::new(File::create(path).with_context(|| path.display().to_string())?))
}

fn show(progress: OverlayProgress, begun: Instant) {
    let OverlayProgress { phase, virtual_s, planned_s, events } = progress;
    eprint!(
        "\r{phase}: {virtual_s}/{planned_s} virtual s, {} million events, {} s ",
        events / 1_000_000,
        begun.elapsed().as_secs()
    );
    // Progress that cannot be shown is no reason to stop.
    let _ = std::io::stderr().flush();
}

/// The report's fields, one in a line; what was sent, by kind, below.
fn table(report: &OverlayReport) -> anyhow::Result<String> {
    let Value::Object(fields) = serde_json::to_value(report)? else { unreachable!("a report is an object") };
    let mut out = String::new();
    for (name, value) in &fields {
        match value {
            Value::Object(kinds) => {
                for (kind, sent) in kinds {
                    let name = format!("{name} {kind}");
                    out += &format!("{name:<40} {} frames, {} bytes\n", sent["frames"], sent["bytes"]);
                }
            }
            Value::Number(n) if n.is_f64() => {
                out += &format!("{name:<40} {:.3}\n", n.as_f64().unwrap_or(f64::NAN));
            }
            Value::Null => out += &format!("{name:<40} -\n"),
            Value::String(text) => out += &format!("{name:<40} {text}\n"),
            other => out += &format!("{name:<40} {other}\n"),
        }
    }
    Ok(out)
}

/// The most memory that this process has used, where the system tells.
fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1_024.0)
}
