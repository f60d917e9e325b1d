//! One actor's share of a counter, by amounts and resets.
//!
//! An actor's amounts in its own cell are a sequence: who has seen one of them has seen all before it. So a reset took
//! away all amounts up to the newest operation of the owner that it killed; the owner's own removal, all before itself.

use damson_crdt::{Actor, Context, Dot, Operation};

/// What happened in one counter cell.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// By the owner's number.
    amounts: Vec<(u64, i64)>,
    /// The reset, and the owner's newest number that it took away.
    resets: Vec<(Dot, u64)>,
}

impl Tally {
    pub fn note(&mut self, owner: Actor, dot: Dot, op: &Operation, amount: Option<i64>) {
        if let Some(n) = amount {
            self.amounts.push((dot.seq, n));
            return;
        }
        let newest = op.kills.ranges().iter().filter(|range| range.actor == owner).map(|range| range.last).max();
        match (dot.actor == owner, newest) {
            (true, _) if op.payload.is_none() => self.resets.push((dot, dot.seq)),
            (false, Some(newest)) => self.resets.push((dot, newest)),
            _ => {}
        }
    }

    pub fn value(&self, owner: Actor, context: &Context) -> i64 {
        let seen = self.resets.iter().filter(|(dot, _)| context.contains(*dot));
        let taken = seen.map(|(_, newest)| *newest).max().unwrap_or(0);
        let left = self.amounts.iter().filter(|(seq, _)| *seq > taken && context.contains(Dot::new(owner, *seq)));
        left.map(|(_, n)| *n).sum()
    }
}
