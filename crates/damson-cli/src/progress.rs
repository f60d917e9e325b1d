//! How far a benchmark is, for people.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Elsewhere than on a terminal, where a line is not written over, no more often than this.
const PAUSE: Duration = Duration::from_secs(1);

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

    /// It is over.
    pub fn end(&self) {
        if self.to_terminal {
            eprint!("\r\x1b[K");
        }
    }
}
