//! What has to be true of a replica, from a log of all operations and its context alone.
//!
//! Naive on purpose: the live dots are the puts in the context without all that operations in the context kill; a counter
//! is the sum of the amounts in the context without those that a reset in the context took away: all that its author had
//! seen and that no reset had taken away there yet.

use std::collections::BTreeSet;

use damson_core::replica::Slot;
use damson_crdt::{Batch, CellId, Context, Dot, DotRange, Leaf, Operation, Payload, Target};

use super::picture::Contents;
use super::writes::Write;

#[derive(Default)]
pub struct Oracle {
    batches: Vec<Batch>,
    amounts: Vec<Amount>,
    resets: Vec<Reset>,
}

struct Amount {
    dot: Dot,
    slot: Slot,
    n: i64,
}

struct Reset {
    dot: Dot,
    takes: BTreeSet<Dot>,
}

/// A write, and which operations of its batch it became: from this one to before that one.
pub type Part = (Write, usize, usize);

impl Oracle {
    /// Takes down a batch, and what the writes in it meant, by one who had seen `before`.
    pub fn record(&mut self, before: &Context, batch: &Batch, parts: &[Part]) {
        for (write, start, end) in parts.iter().filter(|(_, start, end)| start < end) {
            let dot = |at: usize| Dot::new(batch.actor, batch.first + at as u64);
            if let Some((slot, n)) = write.adds() {
                self.amounts.push(Amount { dot: dot(end - 1), slot: slot.clone(), n });
            }
            if let Some(slot) = write.resets() {
                let seen = seen_at(before, batch, *start);
                let takes = self
                    .standing(&seen)
                    .filter(|amount| lies_below(&amount.slot, &slot))
                    .map(|amount| amount.dot)
                    .collect();
                self.resets.push(Reset { dot: dot(*start), takes });
            }
        }
        self.batches.push(batch.clone());
    }

    /// The live dots, with what they say.
    pub fn alive(&self, context: &Context) -> Contents {
        let mut out = Contents::new();
        for batch in &self.batches {
            for (dot, op) in batch.dotted().filter(|(dot, _)| context.contains(*dot)) {
                if let (Target::Cell(id), Some(payload)) = (&op.target, &op.payload) {
                    out.insert(dot, (id.clone(), batch.hlc, payload.clone()));
                }
            }
        }
        for (_, op) in self.batches.iter().flat_map(Batch::dotted).filter(|(dot, _)| context.contains(*dot)) {
            kill(&mut out, op);
        }
        out
    }

    /// The value of a counter.
    pub fn counted(&self, context: &Context, slot: &Slot) -> i64 {
        self.standing(context).filter(|amount| amount.slot == *slot).map(|amount| amount.n).sum()
    }

    /// The amounts that one who has seen this counts.
    fn standing(&self, context: &Context) -> impl Iterator<Item = &Amount> {
        let resets = self.resets.iter().filter(|reset| context.contains(reset.dot));
        let taken: BTreeSet<Dot> = resets.flat_map(|reset| reset.takes.iter().copied()).collect();
        let known = self.amounts.iter().filter(|amount| context.contains(amount.dot));
        known.filter(move |amount| !taken.contains(&amount.dot))
    }

    /// The value of a string that only ever held numbers; `None` when it need not exist.
    pub fn text(&self, context: &Context, slot: &Slot) -> Option<i64> {
        let alive = self.alive(context);
        let bases = alive.iter().filter(|(_, (id, ..))| id.key == slot.key && id.path.last() == Leaf::Text);
        let winner = bases.max_by_key(|(dot, (_, hlc, _))| (*hlc, dot.actor, dot.seq));
        let base = winner.and_then(|(_, (_, _, payload))| match payload {
            Payload::Value { bytes, .. } => std::str::from_utf8(bytes).ok()?.parse::<i64>().ok(),
            _ => None,
        });
        let counted = self.counted(context, slot);
        if base.is_none() && counted == 0 { None } else { Some(base.unwrap_or(0) + counted) }
    }

    /// Rules 2 and 8: a context covers what its operations kill, and of each batch all or nothing.
    pub fn check_closed(&self, context: &Context) -> Result<(), String> {
        for batch in &self.batches {
            let known = batch.dotted().filter(|(dot, _)| context.contains(*dot)).count();
            if known > 0 && known < batch.ops.len() {
                return Err(format!(
                    "{known} of {} operations of the batch {batch:?} are seen",
                    batch.ops.len()
                ));
            }
            if known > 0 && !batch.ops.iter().all(|op| context.covers(&op.kills)) {
                return Err(format!("the context covers {batch:?} and not all that it kills"));
            }
        }
        Ok(())
    }
}

/// An operation kills what it names in its own cell, a clear in any cell of its key.
fn kill(alive: &mut Contents, op: &Operation) {
    for range in op.kills.ranges() {
        let bounds = Dot::new(range.actor, range.first)..=Dot::new(range.actor, range.last);
        let hit = |id: &CellId| match &op.target {
            Target::Cell(cell) => cell == id,
            Target::Key(key) => *key == id.key,
        };
        let dead: Vec<Dot> =
            alive.range(bounds).filter(|(_, (id, ..))| hit(id)).map(|(dot, _)| *dot).collect();
        dead.iter().for_each(|dot| _ = alive.remove(dot));
    }
}

fn seen_at(before: &Context, batch: &Batch, ops: usize) -> Context {
    let mut known = before.clone();
    if ops > 0 {
        let last = batch.first + ops as u64 - 1;
        known.insert_range(DotRange { actor: batch.actor, first: batch.first, last });
    }
    known
}

fn lies_below(slot: &Slot, above: &Slot) -> bool {
    slot.key == above.key && slot.prefix.starts_with(&above.prefix)
}
