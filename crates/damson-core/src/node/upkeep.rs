//! What a node does by itself as time passes: readiness, ended keys, batches that wait too long, doubts about its clock.

use damson_crdt::NodeId;
use rand_core::Rng;
use xxhash_rust::xxh3::xxh3_64;

use super::effects::{Effect, Event};
use super::{Node, Now};
use crate::scope::ScopeName;
use crate::time::Time;

/// How often ended keys, waiting batches, guests and members out of reach are looked for, in milliseconds.
const SWEEP_MS: u64 = 1_000;

/// How long a refusal because of a second process with our id counts, in milliseconds: dials go on, and each repeats it.
const DUPLICATE_MS: u64 = 10_000;

/// Whether a node may serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Readiness {
    /// Waiting for the first sync until this time.
    Joining(Time),
    Ready,
}

impl Node {
    pub(super) fn become_ready(&mut self, alone: bool, fx: &mut Vec<Effect>) {
        if matches!(self.readiness, Readiness::Joining(_)) {
            self.readiness = Readiness::Ready;
            fx.push(Effect::Event(Event::Ready { alone }));
        }
    }

    pub(super) fn check_joining(&mut self, now: Now, fx: &mut Vec<Effect>) {
        if let Readiness::Joining(until) = self.readiness
            && now.time >= until
        {
            let contacts = !self.config.contacts.is_empty() || self.config.discovers;
            let expected = contacts || self.roster.iter().any(|m| m.id != self.id);
            self.become_ready(expected, fx);
        }
    }

    pub(super) fn sweep(&mut self, now: Now, fx: &mut Vec<Effect>) {
        if now.time < self.next_sweep {
            return;
        }
        self.next_sweep = now.time.plus_ms(SWEEP_MS * 3 / 4 + self.rng.next_u64() % (SWEEP_MS / 2));
        self.regroup(now, fx);
        self.scopes.replicas.values_mut().for_each(|replica| _ = replica.drop_waiting(now.time));
        self.show_guests_out(now, fx);
        self.doubt_clock(fx);
        let over = |since: &mut Time| now.time.ms_since(*since) > DUPLICATE_MS;
        self.duplicate_since.take_if(over);
        if !self.clock_suspect {
            self.reap(now, fx);
        }
    }

    /// One member kills an ended key: the first by rendezvous hashing of those that are present.
    fn reap(&mut self, now: Now, fx: &mut Vec<Effect>) {
        let ended_ms = now.wall_ms.saturating_sub(self.config.clock_drift_ms_max);
        let names: Vec<ScopeName> = self.scopes.replicas.keys().cloned().collect();
        for name in names {
            let replica = &self.scopes.replicas[&name];
            if replica.next_end_ms().is_none_or(|end| end >= ended_ms) {
                continue;
            }
            let mut keys = replica.ended_before(ended_ms, self.config.reap_keys_max);
            keys.retain(|key| self.chosen_for(key) == self.id);
            let hlc = self.clock.tick(now.wall_ms);
            let replica = self.scopes.replicas.get_mut(&name).expect("listed above");
            if let Some(batch) = replica.reap(&keys, hlc, now.wall_ms) {
                self.push(&name, &batch, now, fx);
                self.scopes.touched.insert(name);
            }
        }
    }

    fn chosen_for(&self, key: &[u8]) -> NodeId {
        let weight = |id: &NodeId| xxh3_64(&[&id.0[..], key].concat());
        let present = self.roster.iter().filter(|m| m.state.is_present()).map(|m| m.id);
        present.chain([self.id]).max_by_key(|id| (weight(id), *id)).expect("we are one")
    }

    fn doubt_clock(&mut self, fx: &mut Vec<Effect>) {
        self.offsets_ms.retain(|peer, _| self.links.of(*peer).is_some());
        let limit = i64::try_from(self.config.clock_drift_ms_max).unwrap_or(i64::MAX);
        let far = self.offsets_ms.values().filter(|offset| offset.abs() > limit).count();
        let suspect = far * 2 > self.offsets_ms.len();
        if suspect != self.clock_suspect {
            self.clock_suspect = suspect;
            fx.push(Effect::Event(Event::ClockSuspect(suspect)));
        }
    }
}
