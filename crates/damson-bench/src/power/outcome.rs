//! What came out.

use std::fmt::Write;

use serde::Serialize;

/// What came out. `power --help` defines the figures.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Outcome {
    pub seed: u64,
    pub calls: usize,
    pub replies: usize,
    pub syncs: usize,
    pub early_replies: usize,
    pub cuts: usize,
    pub images: usize,
    pub opened: usize,
    pub set_aside: usize,
    pub lost: u64,
    pub resurrected: u64,
    pub torn: usize,
    pub mark_again: usize,
    pub seconds: f64,
}

impl Outcome {
    /// Is it as it must be?
    pub fn holds(&self) -> bool {
        let faults = [self.early_replies, self.set_aside, self.torn, self.mark_again];
        faults == [0; 4]
            && (self.lost, self.resurrected) == (0, 0)
            && self.opened == self.images
            && self.images > 0
            && self.replies > 0
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, value: String| _ = writeln!(out, "{name:<44} {value}");
        line("seed", self.seed.to_string());
        line("system calls", format!("{}, of these {} syncs", self.calls, self.syncs));
        line("replies", self.replies.to_string());
        line("replies before their rows were synced", self.early_replies.to_string());
        line("cuts", format!("{}, {} images", self.cuts, self.images));
        line("images that a node opened", self.opened.to_string());
        line("images taken for damaged", self.set_aside.to_string());
        line("acknowledged and lost", self.lost.to_string());
        line("deleted and there again", self.resurrected.to_string());
        line("batches in parts", self.torn.to_string());
        line("marks of a clean stop seen again", self.mark_again.to_string());
        line("wall time", format!("{:.1} s", self.seconds));
        line("verdict", if self.holds() { "held" } else { "VIOLATED" }.into());
        out
    }
}
