//! What a run found, for people and programs.

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::figures::{Figures, max_ms, mean_ms};

/// What a run found. Times of a crash are absent when there was no crash, or when one of the crashes was not known so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LivenessReport {
    /// Nodes at the start.
    pub nodes: usize,
    /// The seed.
    pub seed: u64,
    /// Frames lost, in percent.
    pub loss_pct: f64,
    /// The measured time, in virtual minutes.
    pub minutes: u64,
    /// Nodes that crashed.
    pub killed: usize,
    /// When crashes were noticed.
    pub detect: String,
    /// Nodes that starved.
    pub starved: usize,
    /// Keys that all nodes held.
    pub keys: usize,
    /// The shortest and the longest delay of a link, in milliseconds.
    pub delay_ms: (f64, f64),

    /// Did all rosters show all as alive before the measured time?
    pub settled: bool,
    /// Members judged dead while alive: pairs of a member and an incarnation, by whomever.
    pub false_deaths: usize,
    /// Members suspected while alive, counted in the same way.
    pub suspicions: usize,
    /// Times that a member raised its incarnation because somebody took it for suspect or dead.
    pub refutations: usize,
    /// Milliseconds from a crash until the first survivor has it as dead: the longest.
    pub detect_ms_max: Option<f64>,
    /// The mean over crashes.
    pub detect_ms_mean: Option<f64>,
    /// Milliseconds from a crash until all survivors have it as dead, and go on having it: the longest.
    pub agree_ms_max: Option<f64>,
    /// The mean over crashes.
    pub agree_ms_mean: Option<f64>,
    /// Crashed nodes that not all survivors have as dead in the end.
    pub not_agreed: usize,
    /// Do all survivors have the same members in the same states in the end?
    pub members_agree: bool,
    /// All bytes sent in the measured time.
    pub bytes_per_node_per_s: f64,
    /// Frames for which starved nodes had no room.
    pub frames_dropped: u64,

    /// A hash of everything that happened, in order.
    pub trace_hash: String,
    /// Things that happened.
    pub events: u64,
    /// Virtual seconds.
    pub virtual_s: f64,
    /// Real seconds. The caller knows them.
    pub sim_wall_s: f64,
    /// The most memory used, in megabytes. The caller knows it.
    pub peak_rss_mb: Option<f64>,
    /// The command that runs it again.
    pub command: String,
}

impl LivenessReport {
    /// What was not as it should be, each as a sentence; empty when nobody was wrongly judged dead and all crashes are known
    /// to all survivors.
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.false_deaths > 0 {
            faults.push(format!(
                "false deaths: {} (members judged dead while they were alive)",
                self.false_deaths
            ));
        }
        if self.not_agreed > 0 {
            faults.push(format!(
                "{} of {} crashed nodes are not dead at all survivors in the end",
                self.not_agreed, self.killed
            ));
        }
        faults
    }
}

pub(crate) fn report(evidence: &Evidence, figures: &Figures) -> LivenessReport {
    let options = &evidence.options;
    LivenessReport {
        nodes: options.nodes,
        seed: options.seed,
        loss_pct: options.loss_pct,
        minutes: options.minutes,
        killed: evidence.crashes.len(),
        detect: options.detect.to_string(),
        starved: evidence.starved.len(),
        keys: evidence.options.keys,
        delay_ms: (options.delay_us.0 as f64 / 1e3, options.delay_us.1 as f64 / 1e3),
        settled: evidence.settled,
        false_deaths: figures.false_deaths,
        suspicions: figures.suspicions,
        refutations: figures.refutations,
        detect_ms_max: max_ms(&figures.detected_us),
        detect_ms_mean: mean_ms(&figures.detected_us),
        agree_ms_max: max_ms(&figures.agreed_us),
        agree_ms_mean: mean_ms(&figures.agreed_us),
        not_agreed: figures.not_agreed(),
        members_agree: figures.members_agree,
        bytes_per_node_per_s: figures.bytes_per_node_per_s,
        frames_dropped: evidence.frames_dropped,
        trace_hash: evidence.trace_hash.clone(),
        events: evidence.events,
        virtual_s: evidence.ended.0 as f64 / 1e6,
        sim_wall_s: 0.0,
        peak_rss_mb: None,
        command: options.command(),
    }
}
