//! What a batch is called after its author has found out that it is a copy.
//!
//! Nobody has seen the batch, so its author's name is changed wherever it stands. Only the own counter cells differ: the
//! new life has cells of its own, and what the old life had counted there before stays as it was.

use damson_crdt::{Actor, Batch, CellId, Dot, Kills, Leaf, Operation, Path, Target};

/// The batch under its new name: numbers of `old` above `base` become those of `next`, from 1.
pub(crate) fn renamed(batch: &Batch, base: u64, next: Actor) -> Batch {
    let old = batch.actor;
    let ops: Vec<Operation> = batch.ops.iter().map(|op| operation(op, old, base, next)).collect();
    Batch { actor: next, first: batch.first - base, hlc: batch.hlc, ops: ops.into() }
}

fn operation(op: &Operation, old: Actor, base: u64, next: Actor) -> Operation {
    let own = own_cell(&op.target, old, next);
    let kept = |dot: &Dot| own.is_none() || (dot.actor == old && dot.seq > base);
    let dots = op
        .kills
        .ranges()
        .iter()
        .flat_map(|range| (range.first..=range.last).map(|seq| Dot::new(range.actor, seq)));
    let named =
        |dot: Dot| if dot.actor == old && dot.seq > base { Dot::new(next, dot.seq - base) } else { dot };
    let kills = Kills::of(dots.filter(kept).map(named));
    Operation { target: own.unwrap_or_else(|| op.target.clone()), kills, payload: op.payload.clone() }
}

/// The new life's cell in place of the old one's.
fn own_cell(target: &Target, old: Actor, next: Actor) -> Option<Target> {
    let Target::Cell(id) = target else { return None };
    let prefix = id.path.fields().fold(Path::root(), |at, name| at.field(name));
    let path = match id.path.last() {
        Leaf::Count(owner) if owner == old => prefix.leaf(Leaf::Count(next)),
        Leaf::TextCount(owner) if owner == old => prefix.leaf(Leaf::TextCount(next)),
        _ => return None,
    };
    Some(Target::Cell(CellId { key: id.key.clone(), path }))
}
