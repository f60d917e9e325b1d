//! How far a long work is, for people.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Elsewhere than on a terminal, where a line is not written over, no more often than this.
const PAUSE: Duration = Duration::from_secs(1);

/// Width of a bar.
const BAR: usize = 24;

/// Bytes as people read them.
pub fn mib(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}

/// Tells on stderr how far it is.
pub struct Progress {
    to_terminal: bool,
    told: Option<Instant>,
}

impl Progress {
    pub fn new() -> Self {
        Self { to_terminal: std::io::stderr().is_terminal(), told: None }
    }

    /// Something begins. What begins soon after is not told, but on a terminal.
    pub fn step(&mut self, what: &str) {
        if self.to_terminal {
            eprint!("\r\x1b[K{what} ");
            // Progress that cannot be shown is no reason to stop.
            let _ = std::io::stderr().flush();
        } else if self.told.is_none_or(|told| told.elapsed() >= PAUSE) {
            eprintln!("{what}");
            self.told = Some(Instant::now());
        }
    }

    /// So much of a work is done, about. Only on a terminal: elsewhere its end is enough.
    pub fn part(&mut self, what: &str, done: u64, of: u64, detail: &str) {
        if self.to_terminal {
            let share = if of == 0 { 1.0 } else { (done as f64 / of as f64).min(1.0) };
            let full = (share * BAR as f64) as usize;
            self.step(&format!("{what} [{:<BAR$}] {:3.0} %  {detail}", "=".repeat(full), share * 100.0));
        }
    }

    /// It is over.
    pub fn end(&self) {
        if self.to_terminal {
            eprint!("\r\x1b[K");
        }
    }
}
