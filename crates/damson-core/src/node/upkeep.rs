//! What a node does by itself as time passes: readiness, ended keys, batches that wait too long, doubts about its clock.

use damson_crdt::{Key, NodeId};
use rand_core::Rng;
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::effects::{Effect, Event};
use super::{Node, Now};
use crate::scope::ScopeName;
use crate::time::Time;

/// How often ended keys, waiting batches, guests and members out of reach are looked for, in milliseconds.
const SWEEP_MS: u64 = 750;
/// How long a sweep waits for an input to come with: a node that hears of others anyway need not wake for it.
pub(super) const SWEEP_SLACK_MS: u64 = 500;

/// How long a refusal because of a second process with our id counts, in milliseconds: dials go on, and each repeats it.
const DUPLICATE_MS: u64 = 10_000;

/// An ended key that the member chosen for it has not killed after this time is killed by any, in milliseconds.
const REAP_ANYWAY_MS: u64 = 60_000;

/// What a sweep spends on finding out which ended keys are ours, in hashes.
const HASHES_MAX: usize = 1 << 18;

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

    pub(super) fn is_joining(&self) -> bool {
        matches!(self.readiness, Readiness::Joining(_))
    }

    /// All that we share with a peer is equal now, or was at one instant.
    pub(super) fn compared_with(&mut self, peer: NodeId) {
        if self.is_joining() {
            self.compared.insert(peer);
        }
    }

    /// Whoever has compared all that it hosts may serve.
    pub(super) fn check_compared(&mut self, fx: &mut Vec<Effect>) {
        if self.is_joining() && !self.compared.is_empty() && self.is_compared() {
            self.compared.clear();
            self.become_ready(false, fx);
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
        self.meet_hosts(now, fx);
        self.scopes.replicas.values_mut().for_each(|replica| _ = replica.drop_waiting(now.time));
        self.show_guests_out(now, fx);
        self.expire_questions(now);
        self.doubt_clock(fx);
        self.tell_memory(fx);
        self.tick_ended(now, fx);
        let over = |since: &mut Time| now.time.ms_since(*since) > DUPLICATE_MS;
        self.duplicate_since.take_if(over);
        if !self.clock_suspect {
            self.reap(now, fx);
        }
    }

    /// One member kills an ended key: the first by rendezvous hashing of those that are present and host its scope. What has
    /// ended long ago anybody may kill: the chosen one may be unable to.
    fn reap(&mut self, now: Now, fx: &mut Vec<Effect>) {
        let ended_ms = now.wall_ms.saturating_sub(self.config.clock_drift_ms_max);
        let names: Vec<ScopeName> = self.scopes.replicas.keys().cloned().collect();
        for name in names {
            let replica = &self.scopes.replicas[&name];
            if replica.next_end_ms().is_none_or(|end| end >= ended_ms) {
                continue;
            }
            let hosts = self.hosts_of(&name);
            let long_ago = ended_ms.saturating_sub(REAP_ANYWAY_MS);
            let ours = |end: u64, key: &[u8]| end < long_ago || chosen_for(&hosts, key) == Some(self.id);
            let looked_at = (HASHES_MAX / hosts.len()).max(self.config.reap_keys_max);
            let ended = replica.ended_before(ended_ms).take(looked_at).filter(|(end, key)| ours(*end, key));
            let keys: Vec<Key> = ended.take(self.config.reap_keys_max).map(|(_, key)| key.clone()).collect();
            let hlc = self.clock.tick(now.wall_ms);
            let replica = self.scopes.replicas.get_mut(&name).expect("listed above");
            if let Some(batch) = replica.reap(&keys, hlc, now.wall_ms) {
                self.push(&name, &batch, now, fx);
                self.scopes.touched.insert(name);
            }
        }
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

/// By rendezvous hashing: each key has one of them, and few keys move when they change.
fn chosen_for(hosts: &[NodeId], key: &[u8]) -> Option<NodeId> {
    let hash = xxh3_64(key);
    hosts.iter().copied().max_by_key(|id| (xxh3_64_with_seed(&id.0, hash), *id))
}
