//! Counters: each actor's cell holds its running total, and the traces of resets that it has not yet absorbed.
//!
//! A reset takes away what it saw and no more: an increment that it had not seen survives, on every node alike, even when
//! the incrementing node dies at once. So the one who resets puts into each actor's cell what it saw there; the view
//! subtracts that from a total that outlived the reset; and the actor takes it into account in its next operation,
//! keeping its running total.

use std::collections::BTreeMap;

use crate::cell::Cell;
use crate::payload::{Epoch, Payload, Taken};
use crate::rules::{Rule, Rules};

/// What one actor's cell counts. Saturates, which only totals that overflow by merging can reach.
pub fn share(cell: &Cell) -> i64 {
    totals(cell).map(|(epoch, n, _)| n.saturating_sub(taken(cell, epoch).1)).fold(0, i64::saturating_add)
}

/// What resets have taken away of a running total.
pub fn taken(cell: &Cell, epoch: Epoch) -> Taken {
    let of = |payload: &Payload| match payload {
        Payload::Seen(traces) => traces.get(&epoch).copied(),
        Payload::Total { epoch: e, base, .. } if *e == epoch => Some(*base),
        _ => None,
    };
    cell.dots().iter().filter_map(|live| of(&live.payload)).max().unwrap_or((0, 0))
}

/// The payload with which the cell's own actor adds `n`, as its operation number `seq`; `None` on overflow.
pub fn count(cell: &Cell, seq: u64, n: i64, rules: Rules) -> Option<Payload> {
    let (epoch, total, _) = totals(cell).next().unwrap_or((seq, 0, (0, 0)));
    let base = if rules.holds(Rule::CountForgetsBase) { taken(cell, epoch) } else { (0, 0) };
    Some(Payload::Total { epoch, n: total.checked_add(n)?, base })
}

/// The payload with which another actor resets the cell: what it saw there of each running total.
pub fn reset(cell: &Cell, rules: Rules) -> Payload {
    let mut seen: BTreeMap<Epoch, Taken> = BTreeMap::new();
    let mut note = |epoch: Epoch, at: Taken| {
        let known = seen.entry(epoch).or_insert(at);
        *known = (*known).max(at);
    };
    for live in cell.dots() {
        match &live.payload {
            Payload::Total { epoch, n, .. } if rules.holds(Rule::ResetTakesNothing) => {
                note(*epoch, (live.dot.seq, *n))
            }
            Payload::Seen(traces) if rules.holds(Rule::ResetForgets) => {
                traces.iter().for_each(|(epoch, at)| note(*epoch, *at));
            }
            _ => {}
        }
    }
    Payload::Seen(seen)
}

/// How the cell's own actor takes resets into account, as its operation number `seq`: what to put (`Some(None)` puts
/// nothing), or `None` when there is no trace to absorb.
pub fn absorb(cell: &Cell, seq: u64, rules: Rules) -> Option<Option<Payload>> {
    cell.dots().iter().any(|live| matches!(live.payload, Payload::Seen(_))).then(|| {
        totals(cell).next().map(|(epoch, n, _)| {
            let kept = if rules.holds(Rule::RebaseNewEpoch) { epoch } else { seq };
            Payload::Total { epoch: kept, n, base: taken(cell, epoch) }
        })
    })
}

/// What an operation of the cell's own actor, as its number `seq`, must rest on when it drops traces of running totals
/// that have ended: all of the actor's numbers up to this one. Without it the operation could reach a replica before the
/// end of such a total, and the total would stand there again, without its trace. `None` when there is no such trace.
pub fn ended_up_to(cell: &Cell, seq: u64) -> Option<u64> {
    let own = totals(cell).next().map(|(epoch, ..)| epoch);
    let ended = |payload: &Payload| match payload {
        Payload::Seen(traces) => traces.keys().any(|epoch| Some(*epoch) != own),
        _ => false,
    };
    let last = own.unwrap_or(seq).saturating_sub(1);
    (last > 0 && cell.dots().iter().any(|live| ended(&live.payload))).then_some(last)
}

fn totals(cell: &Cell) -> impl Iterator<Item = (Epoch, i64, Taken)> {
    cell.dots().iter().filter_map(|live| match live.payload {
        Payload::Total { epoch, n, base } => Some((epoch, n, base)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Actor, Dot, Hlc, Kills, Life, LiveDot, NodeId};

    fn live(seq: u64, payload: Payload) -> LiveDot {
        LiveDot { dot: Dot::new(Actor::new(NodeId([1; 16]), Life(1)), seq), hlc: Hlc(seq), payload }
    }

    #[test]
    fn a_concurrent_increment_survives_a_reset() {
        let rules = Rules::default();
        let mut seen = Cell::default();
        seen.insert(live(1, count(&seen, 1, 5, rules).unwrap()));
        let trace = reset(&seen, rules);
        let mut actor = seen.clone();
        let next = count(&actor, 2, 1, rules).unwrap();
        actor.kill(&Kills::of([actor.dots()[0].dot]));
        actor.insert(live(2, next));
        let mut merged = actor.clone();
        merged.insert(live(9, trace));
        assert_eq!(share(&merged), 1);
        let absorbed = absorb(&merged, 10, rules).unwrap().unwrap();
        assert_eq!(share(&Cell::from_dots([live(10, absorbed)]).unwrap()), 1);
    }

    #[test]
    fn overflow_is_refused_where_it_is_issued_and_saturates_when_merged() {
        let rules = Rules::default();
        let full =
            Cell::from_dots([live(1, Payload::Total { epoch: 1, n: i64::MAX, base: (0, 0) })]).unwrap();
        assert_eq!(count(&full, 2, 1, rules), None);
        let odd = Payload::Total { epoch: 1, n: i64::MAX, base: (1, -5) };
        assert_eq!(share(&Cell::from_dots([live(1, odd)]).unwrap()), i64::MAX);
    }
}
