//! Batches from peers.

use damson_crdt::{
    Actor, Batch, CellId, Context, Dot, Hlc, Kills, Leaf, LiveDot, NodeId, Operation, Payload, Rule, Target,
};

use super::Replica;
use super::live::LOOK_AHEAD;
use crate::time::Time;

/// A smaller state is in the processor's caches.
const LOOK_AHEAD_FROM: usize = 10_000;

fn edit_of(op: &Operation) -> Option<(&CellId, &Kills)> {
    match &op.target {
        Target::Cell(id) => Some((id, &op.kills)),
        Target::Key(_) => None,
    }
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Applied {
    /// It was new, and is part of the state now.
    New,
    /// It was known already, or waits already.
    Duplicate,
    /// It kills what has not arrived yet, and waits for that.
    Waiting,
    /// Too many wait. It is as if it had never come; anti-entropy brings it.
    Overflowed,
}

impl Replica {
    /// Takes a batch from a peer, whole or not at all (rules 2 and 8).
    pub fn apply(&mut self, batch: &Batch, from: NodeId, now: Time) -> Applied {
        if self.context.contains_range(batch.range()) || self.waiting.holds(batch) {
            self.counters.duplicates += 1;
            return Applied::Duplicate;
        }
        if !self.rules.holds(Rule::TornBatch) && batch.ops.len() > 1 {
            return self.apply_torn(batch, from, now);
        }
        match self.missing_for(batch) {
            Some(needs) if self.rules.holds(Rule::ApplyBeforeKilled) => self.wait(batch, from, needs, now),
            _ => {
                self.apply_now(batch);
                self.drain(batch.actor);
                Applied::New
            }
        }
    }

    /// What of these batches can be looked at together before they are applied one by one, is: the greater the state, the
    /// more of the time is spent waiting for memory. Returns after how many it is to be called again.
    pub fn look_ahead(&self, batches: &[Batch]) -> usize {
        if self.live.dots() < LOOK_AHEAD_FROM {
            return batches.len();
        }
        let mut ops = 0;
        let within = |batch: &&Batch| {
            ops += batch.ops.len();
            ops <= LOOK_AHEAD
        };
        let some = batches.iter().take_while(within).count().max(1);
        let ahead = batches.iter().take(some).flat_map(|batch| batch.ops.iter().take(LOOK_AHEAD));
        self.live.look_ahead(ahead.filter_map(edit_of));
        some
    }

    /// Drops batches that have waited too long. Returns how many.
    pub fn drop_waiting(&mut self, now: Time) -> usize {
        let dropped = self.waiting.drop_older(now.minus_ms(self.config.waiting_ms_max));
        self.counters.overflowed += dropped as u64;
        dropped
    }

    fn wait(&mut self, batch: &Batch, from: NodeId, needs: Actor, now: Time) -> Applied {
        let pushed = self.waiting.push(batch.clone(), from, needs, now);
        match pushed {
            Ok(()) => {
                self.counters.waited += 1;
                Applied::Waiting
            }
            Err(batch) => {
                self.counters.overflowed += 1;
                if !self.rules.holds(Rule::OverflowCovered) {
                    self.cover(batch.range());
                }
                Applied::Overflowed
            }
        }
    }

    /// Applies what waited for this actor and for those that become complete by it.
    pub(super) fn drain(&mut self, actor: Actor) {
        if self.waiting.is_empty() {
            return;
        }
        let mut actors = vec![actor];
        while let Some(actor) = actors.pop() {
            for (batch, peer, since) in self.waiting.take(actor) {
                if self.context.contains_range(batch.range()) {
                    continue;
                }
                match self.missing_for(&batch) {
                    Some(needs) => {
                        // Its place is free again: it was just taken out.
                        let _ = self.waiting.push(batch, peer, needs, since);
                    }
                    None => {
                        self.apply_now(&batch);
                        actors.push(batch.actor);
                    }
                }
            }
        }
    }

    /// The first actor of whom the batch kills a dot that is neither seen nor in the batch itself.
    fn missing_for(&self, batch: &Batch) -> Option<Actor> {
        let within = |range: &damson_crdt::DotRange| range.actor == batch.actor && range.first >= batch.first;
        let mut kills = batch.ops.iter().flat_map(|op| op.kills.ranges());
        kills.find(|range| !within(range) && !self.covered_with(range, batch)).map(|range| range.actor)
    }

    /// A range may start before its own batch and reach into it.
    fn covered_with(&self, range: &damson_crdt::DotRange, batch: &Batch) -> bool {
        let mut before = *range;
        if range.actor == batch.actor {
            before.last = before.last.min(batch.first - 1);
        }
        self.context.contains_range(before)
    }

    pub(super) fn apply_now(&mut self, batch: &Batch) {
        self.counters.applied += 1;
        // Of a batch that is not covered as a whole some operations may be.
        let is_one = batch.ops.len() == 1;
        for (dot, op) in batch.dotted() {
            if is_one || !self.context.contains(dot) {
                self.execute(dot, batch.hlc, op);
            }
        }
        self.cover(batch.range());
    }

    pub(super) fn cover(&mut self, range: damson_crdt::DotRange) {
        self.context_mut().insert_range(range);
        self.actor_changed(range.actor);
    }

    /// What one operation does to the live dots. The caller enters its dot into the context.
    pub(super) fn execute(&mut self, dot: Dot, hlc: Hlc, op: &Operation) {
        match &op.target {
            Target::Key(key) => self.clear(key, op),
            Target::Cell(id) => {
                let live =
                    op.payload.as_ref().map(|payload| LiveDot { dot, hlc, payload: payload.detached() });
                self.note_trace(id, op.payload.as_ref());
                let mut conflict = false;
                self.edit(id, |cell| {
                    cell.kill(&op.kills);
                    conflict = live.is_some() && !cell.is_empty();
                    live.into_iter().for_each(|live| cell.insert(live));
                });
                self.counters.conflicts += u64::from(conflict);
            }
        }
        if op.payload.is_none() {
            self.remember_removal(dot, op.target.clone());
        }
    }

    /// A clear kills exact dots, in whatever cells of its key they are.
    fn clear(&mut self, key: &damson_crdt::Key, op: &Operation) {
        let dying = op.kills.ranges().iter().flat_map(|range| self.live.in_range(*range));
        let mut cells: Vec<_> = dying.map(|(_, id)| id).filter(|id| id.key == *key).collect();
        cells.sort_unstable();
        cells.dedup();
        if !self.rules.holds(Rule::ClearOneCell) {
            cells.truncate(1);
        }
        for id in cells {
            self.edit(&id, |cell| cell.kill(&op.kills));
        }
    }

    fn note_trace(&mut self, id: &damson_crdt::CellId, payload: Option<&Payload>) {
        if matches!(payload, Some(Payload::Seen(_))) {
            self.note_trace_in(id);
        }
    }

    pub(super) fn owns(&self, id: &damson_crdt::CellId) -> bool {
        matches!(id.path.last(), Leaf::Count(owner) | Leaf::TextCount(owner) if owner == self.actor)
    }

    /// The mistake that [`Rule::TornBatch`] names: each operation on its own, as soon as it is possible.
    fn apply_torn(&mut self, batch: &Batch, from: NodeId, now: Time) -> Applied {
        let singles = batch.dotted().map(|(dot, op)| Batch {
            actor: batch.actor,
            first: dot.seq,
            hlc: batch.hlc,
            ops: [op.clone()].into(),
        });
        let singles: Vec<Batch> = singles.collect();
        let results: Vec<Applied> =
            singles.iter().rev().map(|single| self.apply(single, from, now)).collect();
        if results.contains(&Applied::New) { Applied::New } else { Applied::Waiting }
    }

    /// What `context` lacks of ours.
    pub fn unknown_to(&self, context: &Context) -> Context {
        self.context.minus(context)
    }
}
