//! What the experiments with thousands of nodes show: how far they are, and their figures.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use damson_sim::SwarmProgress;
use serde::Serialize;
use serde_json::Value;

/// Parameters that cannot be run.
pub const IMPOSSIBLE: u8 = 2;

/// Progress on a terminal.
pub struct Shown {
    begun: Instant,
    to_terminal: bool,
}

impl Shown {
    pub fn new() -> Self {
        Self { begun: Instant::now(), to_terminal: std::io::stderr().is_terminal() }
    }

    pub fn show(&self, progress: SwarmProgress) {
        if self.to_terminal {
            let SwarmProgress { phase, virtual_s, planned_s, events } = progress;
            eprint!(
                "\r{phase}: {virtual_s}/{planned_s} virtual s, {} million events, {} s ",
                events / 1_000_000,
                self.begun.elapsed().as_secs()
            );
            // Progress that cannot be shown is no reason to stop.
            let _ = std::io::stderr().flush();
        }
    }

    pub fn end(&self) {
        if self.to_terminal {
            eprint!("\r\x1b[K");
        }
    }

    /// Real seconds since the start.
    pub fn wall_s(&self) -> f64 {
        self.begun.elapsed().as_secs_f64()
    }
}

/// One JSON object in a line, or a table.
pub fn print(report: &impl Serialize, json: bool) -> anyhow::Result<()> {
    if json {
        println!("{}", serde_json::to_string(report)?);
    } else {
        print!("{}", table(report)?);
    }
    Ok(())
}

/// The report's fields, one in a line; what was sent, by kind, below.
fn table(report: &impl Serialize) -> anyhow::Result<String> {
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
pub fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1_024.0)
}
