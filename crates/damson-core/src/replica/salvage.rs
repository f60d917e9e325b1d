//! What can still be read of a damaged replica, as writes of a new life.
//!
//! Such a replica must not claim to know what it has lost: its context covers dots whose cells are gone, and whoever holds them
//! would take them for deleted (rule 11). So nothing of its context is kept. What is left is written anew: wherever it may
//! ever be merged, it stands beside what is there and deletes nothing. Only for somebody who is alone that is the state he
//! had; elsewhere counters would count twice, and what was deleted meanwhile would be back.

use std::collections::BTreeMap;

use damson_crdt::view::share;
use damson_crdt::{Actor, CellId, Hlc, Kills, Leaf, LiveDot, Operation, Payload, Target};

use super::{Replica, fork};

/// Cells written in one batch.
const BATCH_CELLS: usize = 256;

/// What is written anew.
enum Rest {
    /// A live dot's payload.
    Put(Payload),
    /// What all actors have counted.
    Count(i64),
}

impl Replica {
    /// Writes what is left of another replica. `tick` gives times, each greater than the one before.
    pub fn rewrite(&mut self, rest: &Replica, wall_ms: u64, mut tick: impl FnMut() -> Hlc) {
        let rest = what_is_left(rest, self.actor);
        for cells in rest.chunks(BATCH_CELLS) {
            let mut tx = self.begin(tick(), wall_ms);
            for (id, what) in cells {
                match what {
                    // Beside what is there, so that concurrent values stay what they are.
                    Rest::Put(payload) => tx.issue(Operation {
                        target: Target::Cell(id.clone()),
                        kills: Kills::default(),
                        payload: Some(payload.clone()),
                    }),
                    Rest::Count(n) => tx.count(id.clone(), *n).expect("the cell is empty"),
                }
            }
            tx.commit();
        }
    }
}

/// In the order of their times: who won, wins again.
fn what_is_left(replica: &Replica, next: Actor) -> Vec<(CellId, Rest)> {
    let mut ranked = Vec::with_capacity(replica.live_dots());
    let mut counts: BTreeMap<CellId, (_, i64)> = BTreeMap::new();
    for (id, cell) in replica.live.cells() {
        let (Leaf::Count(owner) | Leaf::TextCount(owner)) = id.path.last() else {
            let puts =
                cell.dots().iter().map(|live| (live.rank(), id.clone(), Rest::Put(live.payload.clone())));
            ranked.extend(puts);
            continue;
        };
        // Where only traces are, nothing is counted.
        let totals = cell.dots().iter().filter(|live| matches!(live.payload, Payload::Total { .. }));
        let Some(newest) = totals.map(LiveDot::rank).max() else { continue };
        let own = CellId { path: fork::own_path(&id.path, owner, next), key: id.key };
        let (rank, n) = counts.entry(own).or_insert((newest, 0));
        *rank = (*rank).max(newest);
        *n = n.saturating_add(share(cell));
    }
    ranked.extend(counts.into_iter().map(|(id, (rank, n))| (rank, id, Rest::Count(n))));
    ranked.sort_unstable_by_key(|(rank, ..)| *rank);
    ranked.into_iter().map(|(_, id, what)| (id, what)).collect()
}
