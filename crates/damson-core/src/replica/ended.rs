//! Traces of resets in the counter cells of a node's ended lives (rule 12).
//!
//! A trace says what a reset has seen of a total that may outlive it. Once nobody can have an operation of the ended life that
//! others lack, no total can come any more, and the trace says nothing. Where that is so the newer life of the node kills it, as it
//! kills anything else.

use damson_crdt::{Actor, Batch, Cell, CellId, Hlc, Intervals, Leaf, Operation, Payload, Target};

use super::Replica;

/// Traces that one batch removes.
const REMOVED_MAX: usize = 256;

impl Replica {
    /// A counter cell of this node, of whatever life, holds traces.
    pub(super) fn note_trace_in(&mut self, id: &CellId) {
        match owner(id) {
            Some(owner) if owner == self.actor => _ = self.traces.insert(id.clone()),
            Some(owner) if owner.node == self.actor.node => _ = self.ended.insert(id.clone()),
            _ => {}
        }
    }

    /// Our life ends, and with it what we would have absorbed.
    pub(super) fn end_own_traces(&mut self) {
        let own = std::mem::take(&mut self.traces);
        self.ended.extend(own);
        self.traced = Vec::new();
    }

    /// An ended life of this node that has left nothing but traces in some cell.
    pub fn ended_with_traces(&mut self) -> Option<Actor> {
        let (live, own) = (&self.live, self.actor);
        self.ended.retain(|id| owner(id) != Some(own) && live.cell(id).is_some_and(is_only_traces));
        self.ended.iter().filter_map(owner).find(|actor| !self.waiting.holds_any_of(*actor))
    }

    /// Is this what was seen here of an actor, with nothing of it waiting?
    pub fn has_seen_just(&self, actor: Actor, seen: &Intervals) -> bool {
        self.context.of(actor) == Some(seen) && !self.waiting.holds_any_of(actor)
    }

    /// Removes what an ended life has left in cells of traces alone.
    pub fn remove_traces(&mut self, actor: Actor, hlc: Hlc, wall_ms: u64) -> Option<Batch> {
        let cells: Vec<(CellId, Cell)> = self
            .ended
            .iter()
            .filter(|id| owner(id) == Some(actor))
            .filter_map(|id| {
                Some((id.clone(), self.live.cell(id).filter(|cell| is_only_traces(cell))?.clone()))
            })
            .take(REMOVED_MAX)
            .collect();
        let mut tx = self.begin(hlc, wall_ms);
        for (id, cell) in &cells {
            let target = Target::Cell(id.clone());
            tx.issue(Operation { target, kills: cell.kills(), payload: None });
        }
        tx.commit()
    }
}

fn owner(id: &CellId) -> Option<Actor> {
    match id.path.last() {
        Leaf::Count(owner) | Leaf::TextCount(owner) => Some(owner),
        _ => None,
    }
}

fn is_only_traces(cell: &Cell) -> bool {
    !cell.is_empty() && cell.dots().iter().all(|live| matches!(live.payload, Payload::Seen(_)))
}
