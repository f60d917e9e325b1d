//! Flags of `damson sim overlay`, and what its figures mean.

use std::path::PathBuf;

use clap::Args as ClapArgs;
use damson_sim::{Detect, OverlayOptions, Senders, Trees};

/// What the figures mean; shown below the flags.
pub const DEFINITIONS: &str = "\
THE EXPERIMENT
  Node i starts after i ms; all but the first have the first for their contact. A cycle is one period of shuffles,
  10 s. After --cycles cycles of settling the overlay is measured, --fail percent of the nodes crash at one instant,
  and messages begin at that instant: each a write of 100 bytes under a fresh key. All in virtual time, with the real
  node: probes, anti-entropy and, up to 1,000 nodes, the roster are on. A link's delay is drawn once for each pair. A
  dial takes one delay each way; a dial to a crashed node fails once its crash is noticed.
  Beyond 20,000 nodes only the overlay and the broadcast are on (probes and anti-entropy come every 30 s), and trees are
  grown: a breadth-first search for each possible author says over which links its first message would have come, and
  all are planted at once. tree_bytes_per_node_and_source is what trees take in memory.

THE OVERLAY, before the failures. Its links are those that both ends list in their active views
  avg_shortest_path             mean distance in hops over ordered pairs of living nodes that have a path; beyond
                                20,000 nodes from 500 random roots (bfs_roots says from how many)
  random_regular_shortest_path  the same of a random regular graph of as many nodes and degree --active, made in this
                                run
  moore_bound                   the least possible: at distance k lie at most d(d-1)^(k-1) nodes
  clustering                    mean local clustering coefficient
  connected, components         is there a path between any two?
  asymmetric_links              entries of active views whose other end does not list this one; at the end of settling,
                                and asymmetric_links_at_end
  eccentricity_all_mean         mean over all nodes of the distance to the farthest, up to 20,000 nodes
  idle_bytes_per_node_per_s     all frames' bytes sent in the last 5 cycles of settling

FAILURES
  giant_component_pct           largest component of the survivors' graph of knowledge (active and passive views
                                together, as undirected edges), right after the failures, in percent of the survivors
  reliability_pct               mean over messages of the percent of living nodes (alive from the sending on) that
                                delivered it by broadcast within 10 s, or by the end of the cycle, whichever is later. The sender
                                counts as one that did
  held_in_time_pct              the same, however it came: by broadcast or by anti-entropy
  reached_of_giant              as reliability_pct, but as a part of the giant component's nodes, over messages sent by one of them
  healing_cycles                c when the first message that reached all living nodes of the giant component was sent
                                c cycles after the failures; 0 is the first message. Until then an extra write, a
                                probe, is sent from within the giant component at the start of each cycle. Probes
                                count for this and for control frames only. Absent when not healed after 30 cycles
  stranded                      living nodes outside the overlay's largest component in the end
  With --churn in each cycle as many random nodes crash, and as many fresh ones join through a random living node, at
  random times in it, as long as messages are sent. With --senders one the sender never crashes.

MESSAGES, means over them
  rmr                           relative message redundancy: payload frames that came to living nodes, for each
                                delivery (the sender's own is none), less 1. After failures only messages sent after
                                the healing, and not before the second cycle; rmr_first is the first message's
  ldh_mean, ldh_max             last delivery hop: the greatest round of a message, at nodes that lived when it was sent
  eccentricity_mean             of senders, in the overlay as it is when they send
  last_delivery_ms_mean         from the write to the last delivery in time, at nodes that lived then
  shortest_path_ms_mean         to the farthest node along the fastest paths of the overlay, by the links' delays
  control_per_delivery          frames of announcements, requests and distances (Have, Graft, Vector) sent from the
                                first message to the end, for each delivery; control_per_broadcast for each message,
                                vectors_per_broadcast those of distances alone
  delivered_eventually_pct      of all pairs of a message and a living node those where the key is there in the end,
                                by broadcast or by anti-entropy

Figures that are not defined (means of nothing) are null. The exit status is 2 when the parameters are impossible.";

#[derive(Debug, ClapArgs)]
#[command(after_long_help = DEFINITIONS)]
pub struct SimOverlay {
    /// How many nodes.
    #[arg(long, default_value_t = 10_000)]
    pub nodes: usize,
    /// The seed: the same seed gives the same run.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The size of the active view: most neighbours.
    #[arg(long, default_value_t = 5)]
    pub active: usize,
    /// The size of the passive view: others that a node knows.
    #[arg(long, default_value_t = 30)]
    pub passive: usize,
    /// Nodes that crash at one instant, in percent.
    #[arg(long, value_name = "PCT", default_value_t = 0.0)]
    pub fail: f64,
    /// When others notice a crash: instant (as in the papers), cycle (at the end of the running cycle), or after so many
    /// milliseconds. Before, frames to the dead vanish.
    #[arg(long, value_name = "instant|cycle|MILLISECONDS", default_value = "instant")]
    pub detect: Detect,
    /// Nodes that crash, and nodes that join, in each cycle while messages are sent.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub churn: usize,
    /// How many messages.
    #[arg(long, value_name = "M", default_value_t = 100)]
    pub messages: usize,
    /// Messages in a second, such as 20 or 1/3.
    #[arg(long, value_name = "PER_SECOND", value_parser = fraction, default_value = "1/3")]
    pub rate: f64,
    /// Who sends them: one (always the same node), or many (for each a random living node).
    #[arg(long, value_name = "one|many", default_value = "many")]
    pub senders: Senders,
    /// The delays of links, in milliseconds: from..to, or one for all.
    #[arg(long, value_name = "A..B", value_parser = delays, default_value = "1..1")]
    pub delay_ms: (u64, u64),
    /// Frames that vanish, in percent.
    #[arg(long, value_name = "PCT", default_value_t = 0.0)]
    pub loss: f64,
    /// Cycles of settling.
    #[arg(long, value_name = "C", default_value_t = 50)]
    pub cycles: u64,
    /// How nodes know the trees of authors: by distances that neighbours tell each other; or grown by each author's first
    /// message, at one bit for each link, planted in bulk after settling. auto: grown beyond 20,000 nodes.
    #[arg(long, value_name = "auto|distances|grown", default_value = "auto")]
    pub trees: Trees,
    /// Draw the figures into this file.
    #[arg(long, value_name = "FILE.svg")]
    pub plot: Option<PathBuf>,
    /// Write the raw evidence to this file, as lines of JSON: nodes, edges, messages, deliveries, frames sent. All figures
    /// can be computed from it again.
    #[arg(long, value_name = "FILE")]
    pub dump: Option<PathBuf>,
    /// The last line of stdout is one JSON object; else a table.
    #[arg(long)]
    pub json: bool,
}

impl SimOverlay {
    pub fn options(&self) -> OverlayOptions {
        OverlayOptions {
            nodes: self.nodes,
            seed: self.seed,
            active: self.active,
            passive: self.passive,
            fail_pct: self.fail,
            detect: self.detect,
            churn: self.churn,
            messages: self.messages,
            rate: self.rate,
            senders: self.senders,
            delay_us: self.delay_ms,
            loss_pct: self.loss,
            cycles: self.cycles,
            trees: self.trees,
        }
    }
}

/// A number, or one divided by another.
fn fraction(text: &str) -> Result<f64, String> {
    let (above, below) = text.split_once('/').unwrap_or((text, "1"));
    match (above.trim().parse::<f64>(), below.trim().parse::<f64>()) {
        (Ok(above), Ok(below)) => Ok(above / below),
        _ => Err(format!("{text:?} is no number; write 20, 0.5 or 1/3")),
    }
}

/// Milliseconds, from..to or one number, as microseconds.
pub(super) fn delays(text: &str) -> Result<(u64, u64), String> {
    let us = |text: &str| {
        let ms = text.trim().parse::<f64>().ok().filter(|ms| (0.0..1e9).contains(ms));
        // A positive number of this size fits.
        ms.map(|ms| (ms * 1_000.0).round() as u64)
    };
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    us(from).zip(us(to)).ok_or_else(|| format!("{text:?} is no range of milliseconds; write 1..20 or 5"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_and_delays_are_read_and_nonsense_is_refused() {
        assert_eq!(fraction("1/4"), Ok(0.25));
        assert_eq!(fraction("20"), Ok(20.0));
        assert!(fraction("often").is_err() && fraction("1/").is_err());
        assert_eq!(delays("1..20"), Ok((1_000, 20_000)));
        assert_eq!(delays("0.5"), Ok((500, 500)));
        assert!(delays("-1").is_err() && delays("a..b").is_err() && delays("1..").is_err());
    }
}
