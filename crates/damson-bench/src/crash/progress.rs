//! How far a long run is, for people.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Elsewhere than on a terminal, where a line is not written over, no more often than this.
const PAUSE: Duration = Duration::from_secs(5);

/// Tells on stderr.
pub struct Progress {
    told: Option<Instant>,
}

impl Progress {
    pub fn new() -> Self {
        Self { told: None }
    }

    pub fn tell(&mut self, what: &str) {
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K{what} ");
            // Progress that cannot be shown is no reason to stop.
            let _ = std::io::stderr().flush();
        } else if self.told.is_none_or(|told| told.elapsed() >= PAUSE) {
            eprintln!("{what}");
            self.told = Some(Instant::now());
        }
    }

    pub fn end(&self) {
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
    }
}
