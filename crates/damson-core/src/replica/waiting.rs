//! Batches that kill what we have not seen: they wait, bounded for each peer and by age.
//!
//! What overflows or has waited too long is dropped without a trace: not in the context, not forwarded. Anti-entropy
//! brings it.

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::{Actor, Batch, NodeId};

use crate::time::Time;

#[derive(Debug)]
pub(super) struct Waiting {
    batches: BTreeMap<u64, Waiter>,
    /// Which wait for a dot of an actor.
    by_actor: BTreeMap<Actor, BTreeSet<u64>>,
    /// Batches and bytes of each peer.
    by_peer: BTreeMap<NodeId, (usize, usize)>,
    /// The last number of each, by author and first number.
    names: BTreeMap<(Actor, u64), u64>,
    next: u64,
    per_peer_max: usize,
    bytes_per_peer_max: usize,
}

#[derive(Debug)]
struct Waiter {
    batch: Batch,
    peer: NodeId,
    since: Time,
    needs: Actor,
}

impl Waiting {
    pub fn new(per_peer_max: usize, bytes_per_peer_max: usize) -> Self {
        Self {
            batches: BTreeMap::new(),
            by_actor: BTreeMap::new(),
            by_peer: BTreeMap::new(),
            names: BTreeMap::new(),
            next: 0,
            per_peer_max,
            bytes_per_peer_max,
        }
    }

    pub fn len(&self) -> usize {
        self.batches.len()
    }

    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// Bytes of what waits.
    pub fn bytes(&self) -> u64 {
        self.by_peer.values().map(|(_, bytes)| *bytes as u64).sum()
    }

    /// [`Waiting::bytes`], counted anew.
    pub fn bytes_again(&self) -> u64 {
        self.batches.values().map(|waiter| waiter.batch.bytes() as u64).sum()
    }

    /// Is this batch waiting already? A second copy is a duplicate.
    pub fn holds(&self, batch: &Batch) -> bool {
        !self.is_empty() && self.names.contains_key(&(batch.actor, batch.first))
    }

    /// Does anything of this author wait?
    pub fn holds_any_of(&self, actor: Actor) -> bool {
        self.names.range((actor, 0)..=(actor, u64::MAX)).next().is_some()
    }

    /// The last number of the batch that waits with this operation, if there is one.
    pub fn end_of(&self, actor: Actor, number: u64) -> Option<u64> {
        let (_, last) = self.names.range((actor, 0)..=(actor, number)).next_back()?;
        (number <= *last).then_some(*last)
    }

    /// Keeps a batch until a dot of `needs` arrives. Gives it back when the peer has too many waiting.
    pub fn push(&mut self, batch: Batch, peer: NodeId, needs: Actor, since: Time) -> Result<(), Batch> {
        let bytes = batch.bytes();
        let (count, used) = self.by_peer.get(&peer).copied().unwrap_or_default();
        if count >= self.per_peer_max || used + bytes > self.bytes_per_peer_max {
            return Err(batch);
        }
        self.by_peer.insert(peer, (count + 1, used + bytes));
        self.names.insert((batch.actor, batch.first), batch.last());
        self.by_actor.entry(needs).or_default().insert(self.next);
        self.batches.insert(self.next, Waiter { batch, peer, since, needs });
        self.next += 1;
        Ok(())
    }

    /// Takes out what waited for a dot of this actor, oldest first, with the time since when.
    pub fn take(&mut self, actor: Actor) -> Vec<(Batch, NodeId, Time)> {
        let ids = self.by_actor.remove(&actor).unwrap_or_default();
        ids.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// Drops what has waited since before `since`, and returns how many.
    pub fn drop_older(&mut self, since: Time) -> usize {
        let old: Vec<u64> = self.batches.iter().filter(|(_, w)| w.since < since).map(|(id, _)| *id).collect();
        old.iter().filter_map(|id| self.remove(*id)).count()
    }

    fn remove(&mut self, id: u64) -> Option<(Batch, NodeId, Time)> {
        let waiter = self.batches.remove(&id)?;
        self.names.remove(&(waiter.batch.actor, waiter.batch.first));
        if let Some(ids) = self.by_actor.get_mut(&waiter.needs) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_actor.remove(&waiter.needs);
            }
        }
        if let Some((count, used)) = self.by_peer.get_mut(&waiter.peer) {
            *count -= 1;
            *used -= waiter.batch.bytes();
            if *count == 0 {
                self.by_peer.remove(&waiter.peer);
            }
        }
        Some((waiter.batch, waiter.peer, waiter.since))
    }
}
