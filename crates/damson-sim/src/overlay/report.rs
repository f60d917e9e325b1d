//! What a run found, for people and programs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::evidence::Evidence;
use super::measures::{Control, Figures};
use super::observe;
use crate::swarm::Sent;

/// What a run found. Figures that are not defined are absent: means of nothing, distances without paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OverlayReport {
    /// Nodes at the start.
    pub nodes: usize,
    /// The seed.
    pub seed: u64,
    /// The active view's size.
    pub active: usize,
    /// The passive view's size.
    pub passive: usize,
    /// Nodes that failed at one instant, in percent.
    pub fail_pct: f64,
    /// When crashes were noticed.
    pub detect: String,
    /// Crashes and joins in each cycle.
    pub churn: usize,
    /// Messages.
    pub messages: usize,
    /// Messages in a second.
    pub rate: f64,
    /// Who sent them.
    pub senders: String,
    /// The shortest and the longest delay of a link, in milliseconds.
    pub delay_ms: (f64, f64),
    /// Frames lost, in percent.
    pub loss_pct: f64,
    /// Cycles of settling.
    pub cycles: u64,
    /// One cycle, in milliseconds.
    pub cycle_ms: u64,
    /// `replicated`: each node keeps a record of each other. `off`: in large runs it does not.
    pub roster: String,
    /// `on`, or `seldom` (every 30 seconds): probes and anti-entropy.
    pub liveness: String,
    /// `distances`: by distance vectors. `grown`: by first messages, one bit for each link and author; planted in bulk.
    pub trees: String,
    /// What the trees took for each node and possible author, in bytes.
    pub tree_bytes_per_node_and_source: f64,

    /// The mean distance in hops over ordered pairs of nodes, before the failures.
    pub avg_shortest_path: Option<f64>,
    /// The same of a random regular graph of as many nodes and the same degree.
    pub random_regular_shortest_path: Option<f64>,
    /// The least that any graph of this size and degree can have.
    pub moore_bound: Option<f64>,
    /// From how many nodes distances were measured: all of them, or a sample.
    pub bfs_roots: usize,
    /// The mean local clustering coefficient.
    pub clustering: f64,
    /// The same of the random regular graph.
    pub random_regular_clustering: f64,
    /// Is the overlay connected, before the failures?
    pub connected: bool,
    /// Its components.
    pub components: usize,
    /// Links that only one end lists, before the failures.
    pub asymmetric_links: usize,
    /// The same in the end.
    pub asymmetric_links_at_end: usize,
    /// The mean number of neighbours.
    pub degree_mean: f64,
    /// The least.
    pub degree_min: usize,
    /// The mean number of entries in passive views.
    pub passive_mean: f64,
    /// The mean eccentricity of all nodes in hops; absent when distances were sampled.
    pub eccentricity_all_mean: Option<f64>,
    /// The greatest distance found.
    pub diameter: usize,

    /// Nodes that failed at one instant.
    pub failures: usize,
    /// The largest component of the graph of who knows whom right after them, in percent of the survivors.
    pub giant_component_pct: f64,
    /// Of the living nodes those that got a message in time, in percent; the mean over messages.
    pub reliability_pct: Option<f64>,
    /// The same, however it came: by broadcast or by anti-entropy.
    pub held_in_time_pct: Option<f64>,
    /// Of the giant component the part that got a message sent from within; the mean over messages.
    pub reached_of_giant: Option<f64>,
    /// Cycles until a message reached all of it.
    pub healing_cycles: Option<u64>,
    /// Relative message redundancy in the stable phase, mean over messages.
    pub rmr: Option<f64>,
    /// That of the first message.
    pub rmr_first: Option<f64>,
    /// The greatest round of a message, mean over messages.
    pub ldh_mean: Option<f64>,
    /// The greatest of all.
    pub ldh_max: u8,
    /// The mean eccentricity of senders when they sent.
    pub eccentricity_mean: Option<f64>,
    /// Frames of announcements, requests and distances for each delivery.
    pub control_per_delivery: Option<f64>,
    /// The same for each message, probes included.
    pub control_per_broadcast: Option<f64>,
    /// Of these the frames of distances, for each message.
    pub vectors_per_broadcast: Option<f64>,
    /// Milliseconds to the last delivery, mean over messages.
    pub last_delivery_ms_mean: Option<f64>,
    /// Milliseconds to the farthest node along the fastest paths, mean over messages.
    pub shortest_path_ms_mean: Option<f64>,
    /// Of all pairs of a message and a living node those where it is in the end, in percent.
    pub delivered_eventually_pct: Option<f64>,
    /// Living nodes outside the overlay's largest component in the end.
    pub stranded: usize,
    /// Living nodes in the end.
    pub living_at_end: usize,
    /// All bytes sent in the last cycles of settling.
    pub idle_bytes_per_node_per_s: Option<f64>,
    /// The same in frames.
    pub idle_frames_per_node_per_s: Option<f64>,

    /// Everything sent in the run, by kind.
    pub sent: BTreeMap<String, Sent>,
    /// What of it was sent from the first message on.
    pub sent_in_message_phase: BTreeMap<String, Sent>,
    /// A hash of everything that happened, in order.
    pub trace_hash: String,
    /// Things that happened.
    pub events: u64,
    /// Frames sent.
    pub frames: u64,
    /// Virtual seconds.
    pub virtual_s: f64,
    /// Real seconds. The caller knows them.
    pub sim_wall_s: f64,
    /// The most memory used, in megabytes. The caller knows it.
    pub peak_rss_mb: Option<f64>,
    /// The command that runs it again.
    pub command: String,
}

pub(crate) fn report(evidence: &Evidence, figures: &Figures) -> OverlayReport {
    let options = &evidence.options;
    let (overlay, control) = (&figures.overlay, figures.control);
    let (idle, idle_us) = &evidence.idle;
    let node_seconds = options.nodes as f64 * *idle_us as f64 / 1e6;
    OverlayReport {
        nodes: options.nodes,
        seed: options.seed,
        active: options.active,
        passive: options.passive,
        fail_pct: options.fail_pct,
        detect: options.detect.to_string(),
        churn: options.churn,
        messages: options.messages,
        rate: options.rate,
        senders: options.senders.to_string(),
        delay_ms: (options.delay_us.0 as f64 / 1e3, options.delay_us.1 as f64 / 1e3),
        loss_pct: options.loss_pct,
        cycles: options.cycles,
        cycle_ms: observe::cycle_us() / 1_000,
        roster: if observe::has_roster(options) { "replicated" } else { "off" }.to_owned(),
        liveness: if options.is_large() { "seldom" } else { "on" }.to_owned(),
        trees: if options.has_grown_trees() { "grown" } else { "distances" }.to_owned(),
        tree_bytes_per_node_and_source: evidence.tree_bytes as f64
            / (evidence.settled.living.len() * evidence.lifetimes.len()).max(1) as f64,
        avg_shortest_path: overlay.distances.mean(),
        random_regular_shortest_path: figures.random_regular.distances.mean(),
        moore_bound: figures.moore_bound,
        bfs_roots: overlay.roots,
        clustering: overlay.clustering,
        random_regular_clustering: figures.random_regular.clustering,
        connected: overlay.components == 1,
        components: overlay.components,
        asymmetric_links: evidence.settled.asymmetric,
        asymmetric_links_at_end: evidence.at_end.asymmetric,
        degree_mean: overlay.degree_mean,
        degree_min: overlay.degree_min,
        passive_mean: evidence.settled.passive_mean,
        eccentricity_all_mean: overlay.eccentricity_mean(),
        diameter: overlay.distances.histogram.len().saturating_sub(1),
        failures: options.failures(),
        giant_component_pct: figures.giant_component_pct,
        reliability_pct: figures.reliability_pct,
        held_in_time_pct: figures.held_in_time_pct,
        reached_of_giant: figures.reached_of_giant,
        healing_cycles: evidence.healing_cycles,
        rmr: figures.rmr,
        rmr_first: figures.rows.first().and_then(|row| row.rmr),
        ldh_mean: figures.ldh_mean,
        ldh_max: figures.rows.iter().map(|row| row.ldh).max().unwrap_or(0),
        eccentricity_mean: figures.eccentricity_mean,
        control_per_delivery: Control::each(control.frames, control.deliveries),
        control_per_broadcast: Control::each(control.frames, control.broadcasts),
        vectors_per_broadcast: Control::each(control.vectors, control.broadcasts),
        last_delivery_ms_mean: figures.last_delivery_ms_mean,
        shortest_path_ms_mean: figures.shortest_path_ms_mean,
        delivered_eventually_pct: figures.delivered_eventually_pct,
        stranded: figures.stranded,
        living_at_end: evidence.at_end.living.len(),
        idle_bytes_per_node_per_s: figures.idle_bytes_per_node_per_s,
        idle_frames_per_node_per_s: (node_seconds > 0.0).then(|| idle.frames() as f64 / node_seconds),
        sent: evidence.traffic.by_name(),
        sent_in_message_phase: evidence.message_phase.by_name(),
        trace_hash: evidence.trace_hash.clone(),
        events: evidence.events,
        frames: evidence.traffic.frames(),
        virtual_s: evidence.ended.0 as f64 / 1e6,
        sim_wall_s: 0.0,
        peak_rss_mb: None,
        command: options.command(),
    }
}
