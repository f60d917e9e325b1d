//! What a run found.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// Something that must not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Violation {
    /// When, in virtual milliseconds.
    pub at_ms: u64,
    /// At which node, by its place in the cluster, if at one.
    pub node: Option<usize>,
    /// The invariant, by the name of its file.
    pub invariant: String,
    /// What is wrong.
    pub text: String,
}

/// How far a run has come.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    /// Virtual seconds so far.
    pub virtual_s: u64,
    /// Virtual seconds planned, the time to heal not counted.
    pub planned_s: u64,
    /// Writes acknowledged so far.
    pub acked: u64,
    /// Violations so far.
    pub violations: u64,
}

/// What a run, or several, found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// How many runs are in it.
    pub runs: u64,
    /// The seed; of several runs the first.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// The rule that was broken, if one was.
    pub broken: Option<String>,
    /// Virtual seconds.
    pub virtual_s: u64,
    /// Transactions that wrote something.
    pub written: u64,
    /// Those of them that were acknowledged: on the disk of the node that took them.
    pub acked: u64,
    /// Acknowledged writes, and values that nothing had removed, that are missing in the end.
    pub lost: u64,
    /// Values that are there although something that killed them was seen.
    pub resurrected: u64,
    /// Acknowledged writes that no surviving disk held when a disk was lost: nothing could bring them back.
    pub gone_with_disk: u64,
    /// How often an invariant was found broken.
    pub violations: u64,
    /// Did all nodes agree in the end?
    pub converged: bool,
    /// Virtual milliseconds from the last fault healed to agreement; of several runs the longest.
    pub converged_ms: u64,
    /// A hash of everything that happened, in order.
    pub trace_hash: String,
    /// Things that happened: frames, ticks, flushes.
    pub events: u64,
    /// Frames sent.
    pub frames: u64,
    /// Frames that vanished, by loss or by a cut.
    pub frames_lost: u64,
    /// Faults and other turns of fate, by name.
    pub faults: BTreeMap<String, u64>,
    /// The first violations.
    pub first: Vec<Violation>,
    /// The command that runs it again; of several runs the first that went wrong, or the first.
    pub command: String,
}

impl Report {
    /// Did everything hold?
    pub fn holds(&self) -> bool {
        self.violations == 0 && self.lost == 0 && self.resurrected == 0 && self.converged
    }

    /// Adds another run.
    pub fn merge(&mut self, other: Self) {
        if self.runs == 0 {
            *self = other;
            return;
        }
        if self.holds() && !other.holds() {
            self.command.clone_from(&other.command);
        }
        self.runs += other.runs;
        self.virtual_s += other.virtual_s;
        self.written += other.written;
        self.acked += other.acked;
        self.lost += other.lost;
        self.resurrected += other.resurrected;
        self.gone_with_disk += other.gone_with_disk;
        self.violations += other.violations;
        self.converged &= other.converged;
        self.converged_ms = self.converged_ms.max(other.converged_ms);
        self.trace_hash =
            format!("{:016x}", xxh3_64(format!("{}{}", self.trace_hash, other.trace_hash).as_bytes()));
        self.events += other.events;
        self.frames += other.frames;
        self.frames_lost += other.frames_lost;
        for (name, count) in other.faults {
            *self.faults.entry(name).or_default() += count;
        }
        let room = 20_usize.saturating_sub(self.first.len());
        self.first.extend(other.first.into_iter().take(room));
    }
}
