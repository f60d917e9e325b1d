//! What a dot says is immutable: in the end every live dot says, byte for byte, what its author wrote, with its time.

use damson_core::replica::{Chunk, Replica, Request};
use damson_crdt::{Leaf, Target};

use super::Finding;
use crate::oracle::Oracle;

const NAME: &str = "contents_are_as_written";

/// Reads everything alive as a peer that has nothing would get it.
pub(crate) fn check(at: usize, replica: &mut Replica, oracle: &Oracle) -> Vec<Finding> {
    let scope = replica.name().clone();
    replica.open_outbound(u64::MAX, replica.node(), Request::default());
    let Chunk { cells, .. } = replica.next_chunk(u64::MAX, usize::MAX, None).unwrap_or_default();
    let lives = cells.iter().flat_map(|(id, cell)| cell.dots().iter().map(move |live| (id, live)));
    let altered = lives.filter(|(id, live)| match oracle.said(&scope, live.dot) {
        // A running total that was renamed is another number; the counters' own invariant looks at those.
        Some((hlc, op)) if !matches!(id.path.last(), Leaf::Count(_) | Leaf::TextCount(_)) => {
            hlc != live.hlc
                || op.payload.as_ref() != Some(&live.payload)
                || op.target != Target::Cell((*id).clone())
        }
        Some((hlc, _)) => hlc != live.hlc,
        None => true,
    });
    altered
        .map(|(id, live)| Finding::at(at, NAME, format!("{:?} says {:?} in {id:?}", live.dot, live.payload)))
        .collect()
}
