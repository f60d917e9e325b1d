//! Own writes on their way out: while links are busy they gather, and leave as one frame.
//!
//! The driver says when links have nothing left to send ([`Node::release`]); then all that has gathered leaves, encoded once
//! whatever the number of links. So a write over idle links leaves at once, and under load frames grow by themselves. What
//! has gathered leaves without being asked for when it is large or old enough.

use std::collections::BTreeMap;

use damson_crdt::{Batch, DotRange, codec};
use rand_core::Rng;

use super::Node;
use super::effects::Effect;
use crate::broadcast::Item;
use crate::scope::ScopeName;
use crate::time::{Now, Time};

/// Gathered operations leave at the latest after this time, in milliseconds, unless it is said otherwise.
const GATHER_MS: u64 = 1;
/// As many batches of a scope leave at once.
const BATCHES_MAX: usize = 1_024;
/// As many bytes of keys and values of a scope leave at once.
const BYTES_MAX: usize = 64 << 10;

/// What has gathered.
#[derive(Debug)]
pub(super) struct Outbox {
    scopes: BTreeMap<ScopeName, Gathered>,
    due: Time,
}

#[derive(Debug, Default)]
struct Gathered {
    batches: Vec<Batch>,
    bytes: usize,
}

impl Default for Outbox {
    fn default() -> Self {
        Self { scopes: BTreeMap::new(), due: Time(u64::MAX) }
    }
}

impl Outbox {
    pub fn deadline(&self) -> Time {
        self.due
    }

    pub fn is_empty(&self) -> bool {
        self.scopes.is_empty()
    }

    /// Is there no room for it beside what has gathered?
    fn is_full_for(&self, scope: &ScopeName, batch: &Batch) -> bool {
        let full = |gathered: &Gathered| {
            gathered.batches.len() >= BATCHES_MAX || gathered.bytes + batch.bytes() > BYTES_MAX
        };
        self.scopes.get(scope).is_some_and(full)
    }

    fn add(&mut self, scope: &ScopeName, batch: &Batch, due: Time) {
        self.due = self.due.min(due);
        if !self.scopes.contains_key(scope) {
            self.scopes.insert(scope.clone(), Gathered::default());
        }
        let gathered = self.scopes.get_mut(scope).expect("inserted above");
        gathered.bytes += batch.bytes();
        gathered.batches.push(batch.clone());
    }
}

impl Node {
    /// Has something gathered that a call of [`Node::release`] would send?
    pub fn is_gathering(&self) -> bool {
        self.config.broadcast.gather_ms <= GATHER_MS && !self.outbox.is_empty()
    }

    /// Links have nothing left to send: what has gathered leaves.
    pub fn release(&mut self, now: Now, fx: &mut Vec<Effect>) {
        let outbox = std::mem::take(&mut self.outbox);
        for (scope, gathered) in outbox.scopes {
            for batches in gathered.batches.chunk_by(follows) {
                self.deliver(item(&scope, batches, 0), None, now, fx);
            }
        }
        self.due = None;
    }

    /// A batch of ours, or one that is ours to bring among the others.
    ///
    /// What is written before a peer has confirmed our life may yet become another life's, and must not be in the log
    /// under its first name. No link is open then.
    pub(super) fn push(&mut self, scope: &ScopeName, batch: &Batch, now: Now, fx: &mut Vec<Effect>) {
        if self.scopes.unconfirmed {
            return;
        }
        if self.outbox.is_full_for(scope, batch) {
            self.release(now, fx);
        }
        let due = now.time.plus_ms(self.gather_ms(scope));
        self.outbox.add(scope, batch, due);
    }

    fn gather_ms(&mut self, scope: &ScopeName) -> u64 {
        let most = self.config.broadcast.gather_ms;
        if most <= GATHER_MS || scope.is_system() {
            return GATHER_MS;
        }
        most * 3 / 4 + self.rng.next_u64() % (most / 2).max(1)
    }
}

/// Batches that follow each other, as one payload. It is as long as what it holds: logs keep it.
pub(super) fn item(scope: &ScopeName, run: &[Batch], round: u8) -> Item {
    let mut payload = Vec::new();
    codec::encode_batches(&mut payload, run);
    Item { scope: scope.clone(), range: span(run), round, payload: payload.into_boxed_slice().into() }
}

/// All dots of batches that follow each other.
pub(super) fn span(run: &[Batch]) -> DotRange {
    let (first, last) = (&run[0], &run[run.len() - 1]);
    DotRange { last: last.last(), ..first.range() }
}

/// Does the second come right after the first, by the same author?
pub(super) fn follows(one: &Batch, other: &Batch) -> bool {
    one.actor == other.actor && one.last() + 1 == other.first
}
