//! From raw evidence to figures, as the papers define them.

use damson_core::time::Time;

use super::evidence::{Evidence, Lifetime, closes};
use super::graph::{Distances, Graph, moore_bound};
use super::messages::{Delivery, Message};
use super::observe::cycle_us;
use super::random_regular::random_regular;
use crate::dice::Dice;
use crate::swarm::VECTOR;

/// Graphs of more nodes are measured from a sample of roots.
const ALL_ROOTS_MAX: usize = 20_000;
const ROOTS_SAMPLED: usize = 500;

/// All figures.
#[derive(Debug)]
pub(crate) struct Figures {
    pub overlay: Shape,
    /// A random regular graph of as many nodes and the same degree.
    pub random_regular: Shape,
    pub moore_bound: Option<f64>,
    pub rows: Vec<Row>,
    pub giant_component_pct: f64,
    /// Means over messages.
    pub reliability_pct: Option<f64>,
    pub reached_of_giant: Option<f64>,
    pub held_in_time_pct: Option<f64>,
    pub rmr: Option<f64>,
    pub ldh_mean: Option<f64>,
    pub last_delivery_ms_mean: Option<f64>,
    pub shortest_path_ms_mean: Option<f64>,
    pub eccentricity_mean: Option<f64>,
    pub delivered_eventually_pct: Option<f64>,
    pub stranded: usize,
    pub idle_bytes_per_node_per_s: Option<f64>,
    pub control: Control,
}

/// Measures of one graph.
#[derive(Debug)]
pub(crate) struct Shape {
    pub distances: Distances,
    /// From how many nodes distances were measured.
    pub roots: usize,
    pub clustering: f64,
    pub components: usize,
    pub degree_mean: f64,
    pub degree_min: usize,
    /// Nodes by their degree.
    pub degrees: Vec<u64>,
}

/// Figures of one message.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// Seconds after the failures.
    pub sent_s: f64,
    pub reliability_pct: f64,
    /// Of the nodes in the survivors' giant component the part that got it; absent when its sender is none of them.
    pub of_giant: Option<f64>,
    /// Payloads for each delivery beyond the one that is needed.
    pub rmr: Option<f64>,
    /// The greatest round: the last delivery hop.
    pub ldh: u8,
    pub last_ms: f64,
    pub farthest_ms: f64,
    pub eccentricity: u32,
}

/// Frames of broadcast other than payloads, sent during the message phase.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Control {
    pub frames: u64,
    pub vectors: u64,
    pub deliveries: u64,
    pub broadcasts: u64,
}

impl Figures {
    pub fn of(evidence: &Evidence) -> Self {
        let options = &evidence.options;
        let mut dice = Dice::new(options.seed ^ 0x06_4A94);
        let degree = options.active.min(options.nodes - 1);
        let regular = random_regular(options.nodes, degree, &mut dice);
        let rows: Vec<Row> = evidence.proper().map(|message| Row::of(message, evidence)).collect();
        let mean_of = |f: &dyn Fn(&Row) -> f64| mean(rows.iter().map(f));
        Self {
            overlay: Shape::of(&evidence.settled.overlay, &mut dice),
            random_regular: Shape::of(&regular, &mut dice),
            moore_bound: moore_bound(options.nodes, degree),
            giant_component_pct: 100.0 * evidence.survivors.giant.len() as f64
                / evidence.survivors.nodes.len() as f64,
            reliability_pct: mean_of(&|row| row.reliability_pct),
            reached_of_giant: mean(rows.iter().filter_map(|row| row.of_giant)),
            held_in_time_pct: mean(evidence.proper().filter_map(held_pct)),
            rmr: stable_rmr(&rows, evidence),
            ldh_mean: mean_of(&|row| f64::from(row.ldh)),
            last_delivery_ms_mean: mean_of(&|row| row.last_ms),
            shortest_path_ms_mean: mean_of(&|row| row.farthest_ms),
            eccentricity_mean: mean_of(&|row| f64::from(row.eccentricity)),
            delivered_eventually_pct: eventually(evidence),
            stranded: evidence.at_end.living.len() - evidence.at_end.overlay.components().largest_size(),
            idle_bytes_per_node_per_s: idle(evidence),
            control: Control::of(evidence),
            rows,
        }
    }
}

/// After failures the first cycles are not what the papers call stable.
fn stable_rmr(rows: &[Row], evidence: &Evidence) -> Option<f64> {
    let unstable = match evidence.options.failures() {
        0 => 0,
        _ => evidence.healing_cycles.unwrap_or(0).max(1),
    };
    let stable_s = (unstable * cycle_us()) as f64 / 1e6;
    let stable = mean(rows.iter().filter(|row| row.sent_s >= stable_s).filter_map(|row| row.rmr));
    stable.or_else(|| mean(rows.iter().filter_map(|row| row.rmr)))
}

fn held_pct(message: &Message) -> Option<f64> {
    let (held, living) = message.held.filter(|(_, living)| *living > 0)?;
    Some(100.0 * held as f64 / living as f64)
}

fn eventually(evidence: &Evidence) -> Option<f64> {
    let pairs = evidence.proper().count() * evidence.at_end.living.len();
    (pairs > 0).then(|| 100.0 * (pairs - evidence.missing.len()) as f64 / pairs as f64)
}

fn idle(evidence: &Evidence) -> Option<f64> {
    let (sent, us) = &evidence.idle;
    let node_seconds = evidence.options.nodes as f64 * *us as f64 / 1e6;
    (node_seconds > 0.0).then(|| sent.bytes() as f64 / node_seconds)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (count, sum) = values.fold((0_u64, 0.0), |(count, sum), value| (count + 1, sum + value));
    (count > 0).then(|| sum / count as f64)
}

impl Shape {
    pub fn of(graph: &Graph, dice: &mut Dice) -> Self {
        let mut roots: Vec<u32> = graph.nodes().collect();
        if roots.len() > ALL_ROOTS_MAX {
            dice.shuffle(&mut roots);
            roots.truncate(ROOTS_SAMPLED);
        }
        let mut degrees = Vec::new();
        for degree in graph.nodes().map(|node| graph.degree(node)) {
            degrees.resize(degrees.len().max(degree + 1), 0);
            degrees[degree] += 1;
        }
        Self {
            distances: graph.distances(&roots),
            roots: roots.len(),
            clustering: graph.clustering(),
            components: graph.components().sizes.len(),
            degree_mean: 2.0 * graph.edges().count() as f64 / graph.len() as f64,
            degree_min: degrees.iter().position(|nodes| *nodes > 0).unwrap_or(0),
            degrees,
        }
    }

    /// Of all nodes, as far as all were looked at.
    pub fn eccentricity_mean(&self) -> Option<f64> {
        self.distances.mean_eccentricity().filter(|_| self.distances.eccentricities.len() == self.nodes())
    }

    fn nodes(&self) -> usize {
        usize::try_from(self.degrees.iter().sum::<u64>()).expect("as many as in the graph")
    }
}

impl Row {
    fn of(message: &Message, evidence: &Evidence) -> Self {
        let Evidence { begun, lifetimes, survivors, .. } = evidence;
        let closes = closes(message.sent, *begun);
        let within_us = closes.0 - message.sent.0;
        // Whoever joins while a message is on its way gets it with its first links.
        let was_there = |at: u32| lifetimes[at as usize].born.is_some_and(|born| born <= message.sent);
        let in_time = |(at, d): &(u32, Delivery)| u64::from(d.after_us) <= within_us && was_there(*at);
        let timely = || message.delivered().filter(in_time);
        // What anti-entropy has brought cost no payload frame.
        let deliveries = message.delivered().filter(|(_, d)| d.round > 0).count();
        let in_giant = survivors.giant.binary_search(&message.sender).is_ok();
        let giant = || survivors.giant.iter().copied();
        Self {
            sent_s: (message.sent.0 - begun.0) as f64 / 1e6,
            reliability_pct: 100.0 * reached(message, lifetimes, 0..count(lifetimes), closes),
            of_giant: in_giant.then(|| reached(message, lifetimes, giant(), closes)),
            rmr: redundancy(message.payloads, deliveries),
            ldh: timely().map(|(_, d)| d.round).max().unwrap_or(0),
            last_ms: f64::from(timely().map(|(_, d)| d.after_us).max().unwrap_or(0)) / 1e3,
            farthest_ms: message.farthest_us as f64 / 1e3,
            eccentricity: message.eccentricity,
        }
    }
}

/// No payload, none redundant: all may have come by anti-entropy.
fn redundancy(payloads: u64, deliveries: usize) -> Option<f64> {
    match (payloads, deliveries) {
        (0, 0) => Some(0.0),
        (_, 0) => None,
        _ => Some(payloads as f64 / deliveries as f64 - 1.0),
    }
}

fn count(lifetimes: &[Lifetime]) -> u32 {
    u32::try_from(lifetimes.len()).expect("nodes are numbered with 32 bits")
}

/// Of these nodes, as far as they lived from the sending to the closing, the part that got the message.
fn reached(message: &Message, lifetimes: &[Lifetime], nodes: impl Iterator<Item = u32>, closes: Time) -> f64 {
    let (mut living, mut reached) = (0_u64, 0_u64);
    for at in nodes.filter(|at| lifetimes[*at as usize].spans(message.sent, closes)) {
        living += 1;
        reached += u64::from(message.reached(at, closes.0 - message.sent.0));
    }
    if living == 0 { 0.0 } else { reached as f64 / living as f64 }
}

impl Control {
    fn of(evidence: &Evidence) -> Self {
        let deliveries = evidence.messages.iter().map(|message| message.delivered().count() as u64);
        Self {
            frames: evidence.message_phase.control(),
            vectors: evidence.message_phase.frames_of(VECTOR),
            deliveries: deliveries.sum(),
            broadcasts: evidence.messages.len() as u64,
        }
    }

    /// A part for each of so many.
    pub fn each(part: u64, of: u64) -> Option<f64> {
        (of > 0).then(|| part as f64 / of as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Survivors;
    use super::super::options::OverlayOptions;
    use super::super::snapshot::Snapshot;
    use super::*;
    use crate::swarm::Traffic;

    const BEGUN: Time = Time(1_000_000);

    fn message(sender: u32, after_ms: u64, deliveries: &[(u32, u32, u8)], payloads: u64) -> Message {
        let mut list = vec![None; 6];
        for (at, after_us, round) in deliveries {
            list[*at as usize] = Some(Delivery { after_us: *after_us, round: *round, from: sender });
        }
        let sent = BEGUN.plus_ms(after_ms);
        let (eccentricity, farthest_us) = (3, 1_500);
        Message {
            sender,
            sent,
            probe: false,
            eccentricity,
            farthest_us,
            payloads,
            held: Some((3, 4)),
            deliveries: list,
        }
    }

    /// Six nodes in a ring. Node 5 fails when the messages begin; of the others node 4 knows nobody.
    fn evidence(messages: Vec<Message>) -> Evidence {
        let ring: Vec<(u32, u32)> = (0..6).map(|at| (at, (at + 1) % 6)).collect();
        let overlay = Graph::new(6, &ring);
        let settled = Snapshot { living: (0..6).collect(), overlay, asymmetric: 0, passive_mean: 0.0 };
        let path = Graph::new(5, &[(0, 1), (1, 2), (2, 3)]);
        let at_end =
            Snapshot { living: (0..5).collect(), overlay: path.clone(), asymmetric: 0, passive_mean: 0.0 };
        let mut lifetimes = vec![Lifetime { born: Some(Time(0)), died: None }; 6];
        lifetimes[5].died = Some(BEGUN);
        Evidence {
            options: OverlayOptions { nodes: 6, active: 2, fail_pct: 17.0, ..OverlayOptions::default() },
            lifetimes,
            tree_bytes: 0,
            begun: BEGUN,
            ended: BEGUN.plus_ms(60_000),
            settled,
            survivors: Survivors { nodes: (0..5).collect(), knowledge: path, giant: (0..4).collect() },
            at_end,
            messages,
            healing_cycles: Some(0),
            idle: (Traffic::default(), 0),
            message_phase: Traffic::default(),
            traffic: Traffic::default(),
            missing: vec![(0, 4)],
            events: 0,
            trace_hash: String::new(),
        }
    }

    #[test]
    fn a_message_that_reaches_its_component() {
        let got = [(1, 1_000, 1), (2, 2_500, 2), (3, 4_000, 3)];
        let evidence = evidence(vec![message(0, 0, &got, 6)]);
        let row = Row::of(&evidence.messages[0], &evidence);
        assert_eq!(row.reliability_pct, 80.0, "the sender and three of the five that live");
        assert_eq!(row.of_giant, Some(1.0));
        assert_eq!(row.rmr, Some(1.0), "six payloads for three deliveries");
        assert_eq!((row.ldh, row.last_ms, row.farthest_ms), (3, 4.0, 1.5));
    }

    #[test]
    fn without_any_payload_none_is_redundant() {
        assert_eq!(redundancy(0, 0), Some(0.0));
        assert_eq!(redundancy(3, 0), None, "sent to the dead");
        assert_eq!(redundancy(6, 4), Some(0.5));
    }

    #[test]
    fn what_comes_too_late_does_not_count() {
        let late = u32::try_from(cycle_us().max(10_000_000) + 1).unwrap();
        let evidence = evidence(vec![message(4, 0, &[(1, 1_000, 1), (2, late, 9)], 2)]);
        let row = Row::of(&evidence.messages[0], &evidence);
        assert_eq!(row.reliability_pct, 40.0);
        assert_eq!((row.ldh, row.last_ms), (1, 1.0));
        assert_eq!(row.of_giant, None, "its sender is cut off");
        assert_eq!(row.rmr, Some(0.0));
    }

    #[test]
    fn who_joins_while_a_message_is_on_its_way_was_not_to_get_it() {
        let mut evidence = evidence(vec![message(0, 0, &[(1, 1_000, 1), (2, 5_000, 7)], 2)]);
        evidence.lifetimes[2].born = Some(BEGUN.plus_ms(4));
        let row = Row::of(&evidence.messages[0], &evidence);
        assert_eq!((row.ldh, row.last_ms), (1, 1.0));
        assert_eq!(row.reliability_pct, 50.0, "the sender and one of the four that lived then");
    }

    #[test]
    fn redundancy_is_that_of_the_stable_phase_and_probes_count_for_nothing() {
        let first = message(0, 0, &[(1, 1, 1)], 5);
        let second = message(1, 30_000, &[(2, 1, 1), (3, 1, 1)], 3);
        let probe = Message { probe: true, ..message(2, 30_000, &[(1, 1, 1)], 50) };
        let figures = Figures::of(&evidence(vec![first, second, probe]));
        assert_eq!(figures.rmr, Some(0.5));
        assert_eq!(figures.rows.len(), 2);
        assert_eq!(figures.rows[0].rmr, Some(4.0));
        assert_eq!(figures.delivered_eventually_pct, Some(90.0), "one of ten pairs is missing");
        assert_eq!(figures.held_in_time_pct, Some(75.0));
        assert_eq!(figures.stranded, 1);
        assert_eq!(figures.giant_component_pct, 80.0);
        assert_eq!(figures.control.deliveries, 4);
    }

    #[test]
    fn shapes_of_a_ring() {
        let figures = Figures::of(&evidence(Vec::new()));
        assert_eq!(figures.overlay.distances.mean(), Some(1.8));
        assert_eq!(figures.random_regular.distances.mean(), Some(1.8), "degree 2: a ring as well");
        assert_eq!(figures.moore_bound, Some(1.8));
        assert_eq!((figures.overlay.degree_mean, figures.overlay.degree_min), (2.0, 2));
        assert_eq!(figures.overlay.eccentricity_mean(), Some(3.0));
        assert_eq!(figures.reliability_pct, None, "no messages, no mean");
    }
}
