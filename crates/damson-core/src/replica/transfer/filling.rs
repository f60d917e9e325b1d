//! A receiver that holds hardly anything: what it is sent is put together beside its state, part by part, and at the end changes
//! places with it. What the receiver had is joined into that.
//!
//! So the last part costs as much as the receiver's own state, and not as much as all that came: entering a million cells one by
//! one would keep the node from answering anybody for more than a second.

use std::collections::BTreeSet;

use damson_crdt::{Cell, CellId, Context, Dot, DotRange, Key, Kills, Payload};

use super::{Extent, Inbound, Last, TransferError};
use crate::persist::Row;
use crate::replica::Replica;
use crate::replica::live::Live;

/// Live dots of a receiver that is filled: more than a neighbour tells of what is recent.
const OWN_MAX: usize = 1 << 15;
/// In the end it may have an eighth of what came.
const OWN_SHARE_MIN: usize = 8;

/// What has come so far.
#[derive(Debug)]
pub(super) struct Filling {
    live: Live,
    /// Rows of its cells, if the disk follows.
    rows: Vec<Row>,
    /// Cells that hold a trace of a reset.
    traced: BTreeSet<CellId>,
    conflicts: u64,
}

impl Filling {
    /// All cells.
    pub fn cells(&self) -> impl Iterator<Item = (CellId, Cell)> {
        self.live.cells().map(|(id, cell)| (id, cell.clone()))
    }
}

impl Replica {
    /// Is a transfer to us put together beside our state?
    pub(super) fn begin_filling(&self) -> Option<Box<Filling>> {
        let begin = || Filling {
            live: Live::new(*self.live.ties(), self.config.sketch_key),
            rows: Vec::new(),
            traced: BTreeSet::new(),
            conflicts: 0,
        };
        (self.live.dots() <= OWN_MAX).then(|| Box::new(begin()))
    }

    /// Takes a cell as it is at the source.
    pub(super) fn fill(&self, filling: &mut Filling, id: CellId, cell: Cell) {
        if cell.dots().iter().any(|live| matches!(live.payload, Payload::Seen(_))) {
            filling.traced.insert(id.clone());
        }
        let is_conflict = |cell: &Cell| u64::from(cell.dots().len() > 1);
        let conflicts = &mut filling.conflicts;
        filling.live.edit(&id, |now| {
            *conflicts = *conflicts + is_conflict(&cell) - is_conflict(now);
            *now = cell;
        });
        if self.followers.rows {
            filling.rows.push(self.cell_row(&filling.live, &id));
        }
    }

    /// May it change places with our state?
    pub(super) fn can_trade(&self, filling: &Filling, extent: Extent) -> bool {
        // Other transfers rest on the state as it is.
        let alone = self.outbound.is_empty() && self.receiving.is_empty();
        // What was not sent is as it was here when both were compared: then it has to be joined cell by cell.
        let told = extent != Extent::Differing;
        alone && told && self.live.dots() * OWN_SHARE_MIN <= filling.live.dots()
    }

    /// Changes places with what has come, and joins what we had into it.
    pub(super) fn trade(
        &mut self,
        filling: Filling,
        inbound: &Inbound,
        last: &Last,
        theirs: &Context,
    ) -> Result<(), TransferError> {
        if let Some(stray) = filling.live.first_outside(theirs) {
            return Err(TransferError::OutsideContext(stray));
        }
        let missing = theirs.minus(&self.context);
        let dead = self.dead_in(&filling.live);
        let killed: BTreeSet<CellId> = dead.iter().map(|(_, id)| id.clone()).collect();
        self.prepared.clear();
        self.baselines.clear();
        self.note_comparisons();
        let ours = std::mem::replace(&mut self.live, filling.live);
        self.counters.conflicts += filling.conflicts;
        self.changes.rows.extend(filling.rows);
        if self.followers.keys {
            // Whoever began to watch while it came has to be told all of it.
            self.changes.keys.extend(self.live.keys_from(0).map(|(_, name, _)| Key::copy_from_slice(name)));
        }
        for (dot, id) in dead {
            self.edit(&id, |cell| cell.kill(&Kills::of([dot])));
        }
        let is_told = |id: &CellId| {
            let cleared = last.extent == Extent::Whole || inbound.cleared.contains(&id.key);
            cleared || inbound.staged.contains_key(id) || killed.contains(id)
        };
        for (id, own) in ours.cells() {
            let sent = self.live.cell(&id);
            if sent.is_none() && !is_told(&id) {
                // As it was, on the disk too.
                self.live.edit(&id, |cell| *cell = own.clone());
                continue;
            }
            let joined = own.join(&self.context, sent.unwrap_or(&Cell::default()), theirs, self.rules);
            if sent != Some(&joined) {
                self.edit(&id, |cell| *cell = joined);
            }
        }
        for id in filling.traced {
            let cell = self.live.cell(&id).cloned().unwrap_or_default();
            self.note_traces_in(&id, &cell);
        }
        self.enter(&missing, inbound, last, theirs);
        Ok(())
    }

    /// What came alive and is dead here.
    fn dead_in(&self, live: &Live) -> Vec<(Dot, CellId)> {
        let pairs =
            self.context.iter().flat_map(|(actor, seen)| seen.pairs().iter().map(move |p| (actor, *p)));
        let ranges = pairs.map(|(actor, (first, last))| DotRange { actor, first, last });
        let known = ranges.flat_map(|range| live.in_range(range));
        known.filter(|(dot, id)| !self.live.cell(id).is_some_and(|cell| cell.contains(*dot))).collect()
    }
}
