//! What came out.

use std::fmt::Write;

use serde::Serialize;

use super::judge::Tally;

/// What came out. `crash --help` defines the figures.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub seed: u64,
    pub nodes: usize,
    pub cycles: u32,
    pub kills: u64,
    pub wipes: u64,
    pub acked: u64,
    pub unknown: u64,
    pub lost: u64,
    pub resurrected: u64,
    pub counter_error: u64,
    pub seconds: f64,
}

impl Outcome {
    pub fn new(seed: u64, nodes: usize, tally: Tally, seconds: f64) -> Self {
        let Tally { cycles, kills, wipes, acked, unknown, lost, resurrected, counter_error } = tally;
        Self { seed, nodes, cycles, kills, wipes, acked, unknown, lost, resurrected, counter_error, seconds }
    }

    /// Is it as it must be? Where nothing was written nothing was shown.
    pub fn holds(&self) -> bool {
        (self.lost, self.resurrected, self.counter_error) == (0, 0, 0) && self.acked > 0
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, value: String| _ = writeln!(out, "{name:<34} {value}");
        line("seed", self.seed.to_string());
        line("nodes", self.nodes.to_string());
        line("cycles", self.cycles.to_string());
        line("kills with kill -9", format!("{}, and {} disks wiped", self.kills, self.wipes));
        line("writes", format!("{} acknowledged, {} unknown", self.acked, self.unknown));
        line("acknowledged and lost", self.lost.to_string());
        line("deleted and there again", self.resurrected.to_string());
        line("wrong totals of counters", self.counter_error.to_string());
        line("wall time", format!("{:.1} s", self.seconds));
        line("verdict", if self.holds() { "held" } else { "VIOLATED" }.into());
        out
    }
}
