//! What the experiments with thousands of nodes show: how far they are, and what they cost.

use std::io::{IsTerminal, Write};
use std::time::Instant;

use damson_sim::SwarmProgress;

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

/// The most memory that this process has used, where the system tells.
pub fn peak_rss_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1_024.0)
}
