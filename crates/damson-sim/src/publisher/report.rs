//! What a run found, for people and programs.

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Why};
use super::figures::{SentByOrigin, reached_ms};
use super::options::PublisherOptions;
use crate::swarm::Sent;

/// What a run found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublisherReport {
    /// The seed.
    pub seed: u64,
    /// Updates that were published, in each size.
    pub updates: usize,
    /// Bytes of each.
    pub update_bytes: usize,
    /// Updates in a virtual second.
    pub rate: u64,
    /// The shortest and the longest delay of a link, in milliseconds.
    pub delay_ms: (f64, f64),
    /// For each number of nodes.
    pub sizes: Vec<PublisherSize>,
    /// Frames with payloads that the origin sends for an update: with the most nodes over with the fewest.
    pub payload_frames_ratio: f64,
    /// The same of their bytes.
    pub payload_bytes_ratio: f64,
    /// The same of all bytes that the origin sends.
    pub bytes_ratio: f64,
    /// Real seconds. The caller knows them.
    pub sim_wall_s: f64,
    /// The most memory used, in megabytes. The caller knows it.
    pub peak_rss_mb: Option<f64>,
    /// The command that runs it again.
    pub command: String,
}

/// With one number of nodes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PublisherSize {
    /// How many nodes.
    pub nodes: usize,
    /// Which of them publishes.
    pub origin: u32,
    /// Its neighbours in the overlay, the more of before and after.
    pub neighbours: usize,
    /// Did all show all, and hold the same, before the measured time?
    pub settled: bool,
    /// Batches that it wrote: the updates, and now and then all of them in one.
    pub batches: usize,
    /// Their operations.
    pub operations: usize,
    /// What the origin sent in the measured time: pushes of what it published.
    pub payloads: Sent,
    /// What it announced and asked for.
    pub announcements: Sent,
    /// Distances of trees.
    pub vectors: Sent,
    /// Probes and their answers.
    pub probes: Sent,
    /// Anti-entropy.
    pub comparisons: Sent,
    /// All else: the overlay, the roster.
    pub other: Sent,
    /// Frames with payloads, for each update.
    pub payload_frames_per_update: f64,
    /// Their bytes, for each update.
    pub payload_bytes_per_update: f64,
    /// All frames that the origin sent, for each update.
    pub frames_per_update: f64,
    /// All bytes that it sent, for each update.
    pub bytes_per_update: f64,
    /// Nodes that do not hold everything in the end.
    pub lacking: usize,
    /// Updates that all nodes got by the broadcast.
    pub broadcast_to_all: usize,
    /// Milliseconds from an update until the last node had it: the longest, when all came by the broadcast.
    pub reached_ms_max: Option<f64>,
    /// The mean over updates.
    pub reached_ms_mean: Option<f64>,
    /// Milliseconds from the last update until all nodes held the same, to half a millisecond; absent when they did not in a minute.
    pub converged_ms: Option<f64>,
    /// Virtual seconds that were measured.
    pub measured_s: f64,
    /// Things that happened.
    pub events: u64,
    /// A hash of everything that happened, in order.
    pub trace_hash: String,
}

impl PublisherReport {
    /// What was not as it should be, each as a sentence; empty when all nodes got all updates, and the origin sent each batch at
    /// most once to each neighbour.
    pub fn faults(&self) -> Vec<String> {
        self.sizes.iter().flat_map(PublisherSize::faults).collect()
    }
}

impl PublisherSize {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.lacking > 0 || self.converged_ms.is_none() {
            faults.push(format!("{} of {} nodes do not hold everything", self.lacking, self.nodes));
        }
        let most = (self.neighbours * self.batches) as u64;
        if self.payloads.frames > most {
            faults.push(format!(
                "{} payloads sent by the origin of {} nodes: at most {most} go to {} neighbours",
                self.payloads.frames, self.nodes, self.neighbours
            ));
        }
        faults
    }
}

pub(crate) fn report(options: &PublisherOptions, evidence: &[Evidence]) -> PublisherReport {
    let sizes: Vec<PublisherSize> = evidence.iter().map(size).collect();
    let ratio = |figure: fn(&PublisherSize) -> f64| {
        let of = |size: Option<&PublisherSize>| size.map_or(f64::NAN, figure);
        let nodes = |size: &&PublisherSize| size.nodes;
        of(sizes.iter().max_by_key(nodes)) / of(sizes.iter().min_by_key(nodes))
    };
    PublisherReport {
        seed: options.seed,
        updates: options.updates,
        update_bytes: options.bytes,
        rate: options.rate,
        delay_ms: (options.delay_us.0 as f64 / 1e3, options.delay_us.1 as f64 / 1e3),
        payload_frames_ratio: ratio(|size| size.payload_frames_per_update),
        payload_bytes_ratio: ratio(|size| size.payload_bytes_per_update),
        bytes_ratio: ratio(|size| size.bytes_per_update),
        sizes,
        sim_wall_s: 0.0,
        peak_rss_mb: None,
        command: options.command(),
    }
}

fn size(evidence: &Evidence) -> PublisherSize {
    let sent = SentByOrigin::of(evidence);
    let (all, written) = (sent.all(), &evidence.written);
    let reached = reached_ms(evidence);
    let updates = written.iter().filter(|written| written.why == Why::Update).count();
    let per_update = |n: u64| n as f64 / updates as f64;
    let by_broadcast: Vec<f64> = reached.iter().flatten().copied().collect();
    let to_all = by_broadcast.len() == updates;
    let last = written.last().map_or(evidence.begun, |written| written.at);
    PublisherSize {
        nodes: evidence.nodes,
        origin: evidence.origin,
        neighbours: evidence.neighbours.0.max(evidence.neighbours.1),
        settled: evidence.settled,
        batches: written.len(),
        operations: written.iter().map(|written| written.operations).sum(),
        payload_frames_per_update: per_update(sent.payloads.frames),
        payload_bytes_per_update: per_update(sent.payloads.bytes),
        frames_per_update: per_update(all.frames),
        bytes_per_update: per_update(all.bytes),
        payloads: sent.payloads,
        announcements: sent.announcements,
        vectors: sent.vectors,
        probes: sent.probes,
        comparisons: sent.comparisons,
        other: sent.other,
        lacking: evidence.lacking.len(),
        broadcast_to_all: by_broadcast.len(),
        reached_ms_max: to_all.then(|| by_broadcast.iter().copied().fold(0.0, f64::max)),
        reached_ms_mean: to_all.then(|| by_broadcast.iter().sum::<f64>() / updates as f64),
        converged_ms: evidence.converged.map(|at| (at.0 - last.0) as f64 / 1e3),
        measured_s: (evidence.ended.0 - evidence.begun.0) as f64 / 1e6,
        events: evidence.events,
        trace_hash: evidence.trace_hash.clone(),
    }
}
