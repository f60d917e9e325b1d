//! One actor's share of a counter, by amounts and resets.
//!
//! Each operation of a counter's cell rests on those that it kills, and so on those that these have killed. A reset takes
//! away the amounts that it rests on, and no others.

use std::collections::BTreeMap;

use damson_crdt::{Actor, Context, Dot, Intervals, Operation, Payload};

/// What happened in one counter cell.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By the owner's number.
    amounts: Vec<(u64, i64)>,
    /// The owner's numbers that each operation rests on.
    rests_on: BTreeMap<Dot, Intervals>,
    resets: Vec<Dot>,
}

impl Tally {
    pub fn note(&mut self, owner: Actor, dot: Dot, op: &Operation, amount: Option<i64>) {
        let mut rests_on = Intervals::default();
        for range in op.kills.ranges() {
            if range.actor == owner {
                rests_on.insert(range.first, range.last);
            }
            let killed = Dot::new(range.actor, range.first)..=Dot::new(range.actor, range.last);
            self.rests_on.range(killed).for_each(|(_, below)| rests_on.union(below));
        }
        if let Some(n) = amount {
            self.amounts.push((dot.seq, n));
        } else if !rests_on.is_empty() && matches!(op.payload, None | Some(Payload::Seen(_))) {
            self.resets.push(dot);
        }
        self.rests_on.insert(dot, rests_on);
    }

    pub fn value(&self, owner: Actor, context: &Context) -> i64 {
        let seen = self.amounts.iter().filter(|(seq, _)| context.contains(Dot::new(owner, *seq)));
        let mut seen = seen.peekable();
        if seen.peek().is_none() {
            return 0;
        }
        let mut taken = Intervals::default();
        let resets = self.resets.iter().filter(|dot| context.contains(**dot));
        resets.for_each(|dot| taken.union(&self.rests_on[dot]));
        seen.filter(|(seq, _)| !taken.contains(*seq)).map(|(_, n)| *n).sum()
    }
}
