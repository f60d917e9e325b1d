//! Failure detection: SWIM's probes, with the local health awareness of Lifeguard.
//!
//! Das, Gupta, Motivala, "SWIM" (2002), sections 3 and 4: probe one member each period, in rounds over a shuffled list;
//! when it does not answer in time ask others to probe it; when nobody reached it by the end of the period, suspect it;
//! when it does not refute, declare it dead. Dadgar, Phillips, Currey, "Lifeguard" (2018): a node whose own probes fail,
//! or that runs late, doubts itself first and waits longer.
//!
//! A member that was heard in any way since it was suspected is not declared dead by us. Time-outs follow the measured round
//! trip of each link, and a probe without an answer is repeated: a lost frame is no sign of death.

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::NodeId;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use super::roster::MemberState;
use crate::time::Time;

/// Timing of failure detection.
#[derive(Debug, Clone)]
pub struct LivenessConfig {
    /// A neighbour is probed this often, in milliseconds. Default 1,000, SWIM's period. A process that ends is noticed at once,
    /// because its links break; a machine that falls silent when the first of its neighbours has heard nothing for two periods.
    pub period_ms: u64,
    /// After this time without an answer others are asked, in milliseconds, and the probe is repeated. Default 200; at least
    /// three round trips of the link.
    pub timeout_ms: u64,
    /// How many others are asked. Default 3, as in SWIM.
    pub indirect: usize,
    /// A suspect has this long to refute, in milliseconds. Default 1,500: a process that ends is known as dead everywhere 2 s later,
    /// a machine that falls silent some 4 s later.
    pub suspicion_ms: u64,
    /// How far doubt in ourselves stretches our time-outs. Default 8, Lifeguard's.
    pub health_max: u64,
}

/// What liveness wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LivenessEffect {
    /// Ping this member over its link.
    Ping {
        /// Whom.
        peer: NodeId,
        /// To be returned.
        nonce: u64,
    },
    /// Ask `via` to ping `target`.
    Ask {
        /// Whom to ask.
        via: NodeId,
        /// Whom it shall ping.
        target: NodeId,
        /// To be returned.
        nonce: u64,
    },
    /// Others reach this member and our own link to it carries nothing: it is broken.
    Broken(NodeId),
    /// We judge a member.
    Judge {
        /// Whom.
        target: NodeId,
        /// Suspect or dead.
        state: MemberState,
    },
}

/// The state machine.
#[derive(Debug)]
pub struct Liveness {
    config: LivenessConfig,
    rng: ChaCha8Rng,
    ring: Vec<NodeId>,
    next_probe: Time,
    next_nonce: u64,
    probes: BTreeMap<u64, Probe>,
    suspects: BTreeMap<NodeId, Suspicion>,
    heard: BTreeMap<NodeId, Time>,
    /// Smoothed round trips of links, in microseconds.
    round_trips: BTreeMap<NodeId, u64>,
    /// 0 when all is well: how far we doubt ourselves.
    health: u64,
    ticked: Time,
}

#[derive(Debug)]
struct Probe {
    target: NodeId,
    sent: Time,
    /// When others are asked; absent once they were.
    asks: Option<Time>,
    /// When it is repeated, if it goes over a link of ours.
    repeats: Option<Time>,
    fails: Time,
    /// Who was asked to reach the target: others' word counts for nothing.
    others: Vec<NodeId>,
    /// One of them has reached it.
    vouched: bool,
}

#[derive(Debug)]
struct Suspicion {
    since: Time,
    ends: Time,
    /// We suspect it: it is probed all the time.
    ours: bool,
}

/// Those who only stand in for a judge spread over so many times of suspicion.
const FALLBACK_SPREAD: u64 = 10;
/// No round trip is taken for longer, in microseconds.
const ROUND_TRIP_US_MAX: u64 = 10_000_000;
/// A neighbour of whom nothing was heard for so many periods is probed before others.
const SILENT_PERIODS: u64 = 2;
/// A node that hears nobody waits with its verdicts, for so many times of suspicion at most: it is likely to be cut off.
const ISOLATED_SPANS: u64 = 10;

impl Default for LivenessConfig {
    fn default() -> Self {
        Self { period_ms: 1_000, timeout_ms: 200, indirect: 3, suspicion_ms: 1_500, health_max: 8 }
    }
}

impl Liveness {
    /// A state machine that draws from `rng`.
    pub fn new(config: LivenessConfig, rng: ChaCha8Rng, now: Time) -> Self {
        Self {
            config,
            rng,
            ring: Vec::new(),
            next_probe: now,
            next_nonce: 1,
            probes: BTreeMap::new(),
            suspects: BTreeMap::new(),
            heard: BTreeMap::new(),
            round_trips: BTreeMap::new(),
            health: 0,
            ticked: now,
        }
    }

    /// How far we doubt ourselves: 0 when all is well.
    pub fn health(&self) -> u64 {
        self.health
    }

    /// When [`Liveness::tick`] wants to be called.
    pub fn deadline(&self) -> Time {
        let next = |probe: &Probe| probe.fails.min(probe.asks.unwrap_or(probe.fails));
        let probes = self.probes.values().map(|probe| next(probe).min(probe.repeats.unwrap_or(probe.fails)));
        let suspects = self.suspects.values().map(|suspicion| suspicion.ends);
        probes.chain(suspects).fold(self.next_probe, Time::min)
    }

    /// Something came from this member.
    pub fn heard(&mut self, peer: NodeId, now: Time) {
        self.heard.insert(peer, now);
    }

    /// A link to this peer is open; its greeting took so long.
    pub fn opened(&mut self, peer: NodeId, round_trip_us: u64, now: Time) {
        self.round_trips.insert(peer, round_trip_us.min(ROUND_TRIP_US_MAX));
        self.heard.insert(peer, now);
    }

    /// The round trip of a peer's link, smoothed as in RFC 6298, section 2, in microseconds.
    pub fn round_trip_us(&self, peer: NodeId) -> Option<u64> {
        self.round_trips.get(&peer).copied()
    }

    /// A probe was answered by the member itself. False when it was none of ours, or one that is over.
    pub fn answered(&mut self, target: NodeId, nonce: u64, now: Time) -> bool {
        if self.probes.get(&nonce).is_none_or(|probe| probe.target != target) {
            return false;
        }
        let probe = self.probes.remove(&nonce).expect("looked up above");
        self.health = self.health.saturating_sub(1);
        self.heard.insert(target, now);
        let Some(smoothed) = self.round_trips.get_mut(&target) else { return true };
        if probe.asks.is_some_and(|asks| probe.repeats == Some(asks)) {
            let took = now.0.saturating_sub(probe.sent.0);
            *smoothed = ((*smoothed * 7 + took) / 8).min(ROUND_TRIP_US_MAX);
        } else if probe.repeats.is_some() {
            // Of a probe that was repeated nobody knows which was answered (Karn's algorithm): only be more patient.
            *smoothed = (*smoothed + *smoothed / 4).min(ROUND_TRIP_US_MAX);
        }
        true
    }

    /// One that we have asked says that it reached a member. Our own link to it, if there is one, has time to show that it
    /// works until the probe would have failed.
    pub fn vouched(&mut self, by: NodeId, target: NodeId, nonce: u64, now: Time) {
        let Some(probe) = self.probes.get_mut(&nonce) else { return };
        if probe.target != target || !probe.others.contains(&by) {
            return;
        }
        self.heard.insert(target, now);
        if probe.repeats.is_some() {
            probe.vouched = true;
        } else {
            self.probes.remove(&nonce);
        }
    }

    /// Somebody says that this neighbour is dead: see whether it answers.
    pub fn doubt(&mut self, peer: NodeId, now: Time, fx: &mut Vec<LivenessEffect>) {
        if self.probes.values().all(|probe| probe.target != peer) {
            self.probe(peer, now, &[peer], fx);
        }
    }

    /// A peer's link is closed: what it said last is not kept.
    pub fn closed(&mut self, peer: NodeId) {
        self.round_trips.remove(&peer);
        if !self.suspects.contains_key(&peer) {
            self.heard.remove(&peer);
        }
    }

    /// Is a probe of this member under way?
    pub fn probes(&self, peer: NodeId) -> bool {
        self.probes.values().any(|probe| probe.target == peer)
    }

    /// A link broke: probe its member now, through others.
    pub fn link_down(&mut self, peer: NodeId, now: Time, others: &[NodeId], fx: &mut Vec<LivenessEffect>) {
        let nonce = self.new_probe(peer, false, now);
        self.ask_others(nonce, others, fx);
    }

    /// A member's record changed. A suspect is judged by the one who suspects it (`ours`); should that one be gone, by
    /// somebody else, later and not by all at once.
    pub fn member_changed(&mut self, id: NodeId, state: Option<MemberState>, ours: bool, now: Time) {
        match state {
            Some(MemberState::Suspect) => {
                let own = self.stretched(self.config.suspicion_ms);
                let wait = if ours { own } else { own * 3 + self.draw(own * FALLBACK_SPREAD) };
                let ends = now.plus_ms(wait);
                self.suspects.entry(id).or_insert(Suspicion { since: now, ends, ours });
            }
            Some(MemberState::Alive) => {
                // Our suspicion was wrong.
                if self.suspects.remove(&id).is_some_and(|suspicion| suspicion.ours) {
                    self.doubt_ourselves();
                }
            }
            Some(MemberState::Dead | MemberState::Left) | None => self.forget(id),
        }
    }

    /// Does what is due. `members` are those to probe, `linked` those that can be reached directly.
    pub fn tick(&mut self, now: Time, members: &[NodeId], linked: &[NodeId], fx: &mut Vec<LivenessEffect>) {
        if now.ms_since(self.ticked) > self.config.period_ms * 3 && self.ticked != Time::default() {
            self.ran_late(now, linked, fx);
        }
        self.ticked = now;
        self.check_probes(now, linked, fx);
        self.check_suspects(now, fx);
        if now >= self.next_probe {
            self.next_probe =
                now.plus_ms(self.config.period_ms * 3 / 4 + self.draw(self.config.period_ms / 2));
            if let Some(target) = self.next_target(members, now) {
                self.probe(target, now, linked, fx);
            }
        }
    }

    fn probe(&mut self, target: NodeId, now: Time, linked: &[NodeId], fx: &mut Vec<LivenessEffect>) {
        let direct = linked.contains(&target);
        let nonce = self.new_probe(target, direct, now);
        if direct {
            fx.push(LivenessEffect::Ping { peer: target, nonce });
        } else {
            self.ask_others(nonce, linked, fx);
        }
    }

    fn new_probe(&mut self, target: NodeId, direct: bool, now: Time) -> u64 {
        let nonce = self.next_nonce;
        self.next_nonce += 1;
        let patience = self.patience_ms(target, direct);
        let asks = now.plus_ms(self.stretched(patience));
        let fails = now.plus_ms(self.stretched(patience * 5 / 2));
        let repeats = direct.then_some(asks);
        let (others, vouched) = (Vec::new(), false);
        let probe = Probe { target, sent: now, asks: Some(asks), repeats, fails, others, vouched };
        self.probes.insert(nonce, probe);
        nonce
    }

    /// How long an answer may take, in milliseconds: over our own link, or over links of others like ours.
    fn patience_ms(&self, target: NodeId, direct: bool) -> u64 {
        let own = self.round_trips.get(&target).copied();
        let mean = self.round_trips.values().sum::<u64>() / (self.round_trips.len() as u64).max(1);
        let round_trip_ms = own.filter(|_| direct).unwrap_or(mean * 2) / 1_000;
        self.config.timeout_ms.max(round_trip_ms * 3)
    }

    fn ask_others(&mut self, nonce: u64, linked: &[NodeId], fx: &mut Vec<LivenessEffect>) {
        let Some(target) = self.probes.get(&nonce).map(|probe| probe.target) else { return };
        let mut others: Vec<NodeId> = linked.iter().copied().filter(|other| *other != target).collect();
        let mut asked = Vec::new();
        for _ in 0..self.config.indirect.min(others.len()) {
            let at = self.draw(others.len() as u64);
            let via = others.swap_remove(usize::try_from(at).expect("an index"));
            fx.push(LivenessEffect::Ask { via, target, nonce });
            asked.push(via);
        }
        let probe = self.probes.get_mut(&nonce).expect("looked up above");
        (probe.asks, probe.others) = (None, asked);
    }

    fn check_probes(&mut self, now: Time, linked: &[NodeId], fx: &mut Vec<LivenessEffect>) {
        let is_due = |at: Option<Time>| at.is_some_and(|at| now >= at);
        for (nonce, probe) in self.probes.iter_mut().filter(|(_, probe)| is_due(probe.repeats)) {
            probe.repeats = Some(now.plus_ms(self.config.timeout_ms / 2));
            fx.push(LivenessEffect::Ping { peer: probe.target, nonce: *nonce });
        }
        let due: Vec<u64> =
            self.probes.iter().filter(|(_, probe)| is_due(probe.asks)).map(|(n, _)| *n).collect();
        due.into_iter().for_each(|nonce| self.ask_others(nonce, linked, fx));
        let failed: Vec<u64> = self.probes.iter().filter(|(_, p)| now >= p.fails).map(|(n, _)| *n).collect();
        for nonce in failed {
            let probe = self.probes.remove(&nonce).expect("listed above");
            self.probe_failed(&probe, now, fx);
        }
        self.probe_suspects(now, linked, fx);
    }

    fn probe_failed(&mut self, probe: &Probe, now: Time, fx: &mut Vec<LivenessEffect>) {
        let target = probe.target;
        if probe.vouched {
            self.doubt_ourselves();
            fx.push(LivenessEffect::Broken(target));
        } else if self.heard.get(&target).is_none_or(|at| now.ms_since(*at) >= self.config.period_ms) {
            // One that is silent says nothing about us; another one does.
            if probe.repeats.is_some() && self.suspects.iter().any(|(id, s)| s.ours && *id != target) {
                self.doubt_ourselves();
            }
            fx.push(LivenessEffect::Judge { target, state: MemberState::Suspect });
        }
    }

    fn doubt_ourselves(&mut self) {
        self.health = (self.health + 1).min(self.config.health_max);
    }

    /// Whom we suspect we go on probing: one answer is enough.
    fn probe_suspects(&mut self, now: Time, linked: &[NodeId], fx: &mut Vec<LivenessEffect>) {
        let probed = |target: &NodeId| self.probes.values().any(|probe| probe.target == *target);
        let ours = self.suspects.iter().filter(|(_, suspicion)| suspicion.ours).map(|(id, _)| *id);
        let idle: Vec<NodeId> = ours.filter(|target| !probed(target)).collect();
        idle.into_iter().for_each(|target| self.probe(target, now, linked, fx));
    }

    fn check_suspects(&mut self, now: Time, fx: &mut Vec<LivenessEffect>) {
        let ended: Vec<NodeId> =
            self.suspects.iter().filter(|(_, s)| now >= s.ends).map(|(id, _)| *id).collect();
        let isolated = !ended.is_empty() && self.is_isolated(now);
        let wait_ms = self.config.suspicion_ms * ISOLATED_SPANS;
        for target in ended {
            let suspicion = self.suspects.remove(&target).expect("listed above");
            let span = self.stretched(self.config.suspicion_ms);
            let heard = self.heard.get(&target).is_some_and(|at| *at > suspicion.since);
            if heard {
                let ends = now.plus_ms(span);
                self.suspects.insert(target, Suspicion { since: now, ends, ours: suspicion.ours });
            } else if isolated && now.ms_since(suspicion.since) < wait_ms {
                let ends = now.plus_ms(span);
                self.suspects.insert(target, Suspicion { ends, ..suspicion });
            } else {
                fx.push(LivenessEffect::Judge { target, state: MemberState::Dead });
            }
        }
    }

    /// Are more than one silent to us, and all others too?
    fn is_isolated(&self, now: Time) -> bool {
        let lately = |at: &Time| now.ms_since(*at) < self.config.period_ms * SILENT_PERIODS;
        self.suspects.values().filter(|suspicion| suspicion.ours).count() > 1
            && !self.heard.iter().any(|(id, at)| lately(at) && !self.suspects.contains_key(id))
    }

    /// We were not run for long: what we did not hear says nothing about others.
    fn ran_late(&mut self, now: Time, linked: &[NodeId], fx: &mut Vec<LivenessEffect>) {
        self.doubt_ourselves();
        // Nobody would come back to those without a link.
        let far: BTreeSet<NodeId> =
            self.probes.values().filter(|probe| probe.repeats.is_none()).map(|probe| probe.target).collect();
        self.probes.clear();
        // What has come meanwhile is read now.
        let Self { heard, suspects, .. } = self;
        heard.iter_mut().filter(|(id, _)| !suspects.contains_key(id)).for_each(|(_, at)| *at = now);
        let ends = now.plus_ms(self.stretched(self.config.suspicion_ms));
        self.suspects.values_mut().for_each(|suspicion| suspicion.ends = suspicion.ends.max(ends));
        far.into_iter().for_each(|target| self.probe(target, now, linked, fx));
    }

    /// The next of the round; but first one of whom nothing is heard any more.
    fn next_target(&mut self, members: &[NodeId], now: Time) -> Option<NodeId> {
        let silence_ms = self.config.period_ms * SILENT_PERIODS;
        let probed = |target: &NodeId| self.probes.values().any(|probe| probe.target == *target);
        let heard = |id: &NodeId| self.heard.get(id).copied().filter(|at| now.ms_since(*at) > silence_ms);
        let open = members.iter().filter(|id| !self.suspects.contains_key(*id) && !probed(id));
        if let Some((_, silent)) = open.filter_map(|id| Some((heard(id)?, *id))).min() {
            return Some(silent);
        }
        loop {
            while let Some(target) = self.ring.pop() {
                if members.contains(&target) {
                    return Some(target);
                }
            }
            if members.is_empty() {
                return None;
            }
            self.ring = members.to_vec();
            for at in (1..self.ring.len()).rev() {
                let other = usize::try_from(self.draw(at as u64 + 1)).expect("an index");
                self.ring.swap(at, other);
            }
        }
    }

    fn forget(&mut self, id: NodeId) {
        self.suspects.remove(&id);
        self.heard.remove(&id);
        self.round_trips.remove(&id);
        self.probes.retain(|_, probe| probe.target != id);
    }

    fn stretched(&self, ms: u64) -> u64 {
        ms * (1 + self.health)
    }

    fn draw(&mut self, below: u64) -> u64 {
        self.rng.next_u64() % below.max(1)
    }
}

#[cfg(test)]
mod tests {
    use rand_core::SeedableRng;

    use super::*;

    fn id(n: u8) -> NodeId {
        NodeId([n; 16])
    }

    fn machine() -> Liveness {
        Liveness::new(LivenessConfig::default(), ChaCha8Rng::seed_from_u64(1), Time(1))
    }

    fn run(machine: &mut Liveness, until_ms: u64, linked: &[NodeId], answers: bool) -> Vec<LivenessEffect> {
        let (mut all, mut ms) = (Vec::new(), 0);
        while ms < until_ms {
            let mut fx = Vec::new();
            let now = Time(1).plus_ms(ms);
            machine.tick(now, &[id(1), id(2)], linked, &mut fx);
            for effect in &fx {
                match effect {
                    LivenessEffect::Ping { peer, nonce } if answers => {
                        machine.answered(*peer, *nonce, now);
                    }
                    LivenessEffect::Judge { target, state } => {
                        machine.member_changed(*target, Some(*state), true, now)
                    }
                    _ => {}
                }
            }
            all.extend(fx);
            ms += 50;
        }
        all
    }

    #[test]
    fn a_member_whose_link_broke_just_before_we_stood_still_is_not_forgotten_about() {
        let mut machine = machine();
        let mut fx = Vec::new();
        machine.tick(Time(1), &[id(1)], &[id(1)], &mut fx);
        machine.link_down(id(2), Time(1).plus_ms(50), &[id(1)], &mut fx);
        fx.clear();
        let late = Time(1).plus_ms(7_000);
        machine.tick(late, &[id(1)], &[id(1)], &mut fx);
        let asks = |e: &LivenessEffect| matches!(e, LivenessEffect::Ask { target, .. } if *target == id(2));
        assert!(fx.iter().any(asks), "{fx:?}");
        (0..40).for_each(|n| machine.tick(late.plus_ms(50 * n), &[id(1)], &[id(1)], &mut fx));
        let judged = LivenessEffect::Judge { target: id(2), state: MemberState::Suspect };
        assert!(fx.contains(&judged), "{fx:?}");
    }

    #[test]
    fn members_that_answer_are_never_judged() {
        let fx = run(&mut machine(), 60_000, &[id(1), id(2)], true);
        assert!(!fx.iter().any(|e| matches!(e, LivenessEffect::Judge { .. })));
    }

    #[test]
    fn a_silent_member_is_suspected_then_dead_after_others_were_asked() {
        let fx = run(&mut machine(), 30_000, &[id(1), id(2)], false);
        let asked = fx.iter().position(|e| matches!(e, LivenessEffect::Ask { .. })).unwrap();
        let at = |state| {
            fx.iter().position(|e| matches!(e, LivenessEffect::Judge { state: s, .. } if *s == state))
        };
        let (suspect, dead) = (at(MemberState::Suspect).unwrap(), at(MemberState::Dead).unwrap());
        assert!(asked < suspect && suspect < dead);
    }

    #[test]
    fn a_suspect_that_was_heard_is_not_declared_dead() {
        let mut machine = machine();
        machine.member_changed(id(1), Some(MemberState::Suspect), true, Time(1));
        machine.heard(id(1), Time(1).plus_ms(1_000));
        let mut fx = Vec::new();
        machine.tick(Time(1).plus_ms(1_500), &[], &[], &mut fx);
        assert_eq!(fx, []);
    }

    #[test]
    fn only_those_who_were_asked_can_vouch_and_then_the_link_is_what_is_broken() {
        let (mut machine, linked) = (machine(), [id(1), id(2)]);
        let (mut fx, mut broken) = (Vec::new(), Vec::new());
        for ms in (0..4_000).step_by(50) {
            let now = Time(1).plus_ms(ms);
            machine.tick(now, &[id(1)], &linked, &mut fx);
            machine.heard(id(2), now);
            for effect in std::mem::take(&mut fx) {
                match effect {
                    LivenessEffect::Ask { via, target, nonce } => {
                        assert_eq!(via, id(2));
                        machine.vouched(id(3), target, nonce, now);
                        assert!(!machine.probes[&nonce].vouched);
                        machine.vouched(id(2), target, nonce, now);
                    }
                    LivenessEffect::Broken(target) => broken.push(target),
                    LivenessEffect::Judge { .. } => panic!("others reach it"),
                    LivenessEffect::Ping { .. } => {}
                }
            }
        }
        assert!(broken.contains(&id(1)));
        assert!(machine.health() > 0, "it may be us");
    }

    #[test]
    fn one_silent_neighbour_is_no_reason_to_doubt_ourselves_and_two_are() {
        let silent = |answering: &[NodeId]| {
            let (mut machine, linked) = (machine(), [id(1), id(2), id(3)]);
            let mut health = 0;
            for ms in (0..10_000).step_by(50) {
                let (now, mut fx) = (Time(1).plus_ms(ms), Vec::new());
                machine.tick(now, &linked, &linked, &mut fx);
                for effect in fx {
                    match effect {
                        LivenessEffect::Ping { peer, nonce } if answering.contains(&peer) => {
                            machine.answered(peer, nonce, now);
                        }
                        LivenessEffect::Judge { target, state } => {
                            machine.member_changed(target, Some(state), true, now);
                        }
                        _ => {}
                    }
                }
                health = health.max(machine.health());
            }
            health
        };
        assert_eq!(silent(&[id(1), id(2)]), 0);
        assert!(silent(&[id(1)]) > 0);
    }

    #[test]
    fn a_node_that_hears_nobody_waits_with_its_verdicts_and_not_for_ever() {
        let dead = |fx: &[LivenessEffect]| {
            fx.iter().filter(|e| matches!(e, LivenessEffect::Judge { state: MemberState::Dead, .. })).count()
        };
        let linked = [id(1), id(2)];
        assert_eq!(dead(&run(&mut machine(), 12_000, &linked, false)), 0);
        assert!(dead(&run(&mut machine(), 60_000, &linked, false)) >= 2);
    }
}
