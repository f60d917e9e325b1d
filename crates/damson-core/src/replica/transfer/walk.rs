//! The cells behind many live dots, found while they are sent and not all at once before.

use std::collections::{BTreeSet, VecDeque};

use damson_crdt::{Cell, CellId, Context, Dot, DotRange};

use crate::replica::live::Live;

/// A walk over the cells that hold a live dot of a context. A cell that changes meanwhile may be met or not: it is sent for
/// that reason anyway.
#[derive(Debug, Default)]
pub(super) struct Walk {
    of: Context,
    /// Cells that are sent anyway.
    but: BTreeSet<CellId>,
    left: VecDeque<DotRange>,
}

impl Walk {
    pub fn over(of: Context, but: BTreeSet<CellId>) -> Self {
        let ranges = of.iter().flat_map(|(actor, seen)| {
            seen.pairs().iter().map(move |&(first, last)| DotRange { actor, first, last })
        });
        let left = ranges.collect();
        Self { of, but, left }
    }

    /// The next cell, as it is now.
    pub fn next(&mut self, live: &Live) -> Option<(CellId, Cell)> {
        while let Some((dot, id)) = self.peek(live) {
            self.pass(dot);
            let cell = live.cell(&id).filter(|cell| self.meets_first(dot, cell));
            if let Some(cell) = cell.filter(|_| !self.but.contains(&id)) {
                return Some((id, cell.clone()));
            }
        }
        None
    }

    /// Is there nothing more to find?
    pub fn is_over(&mut self, live: &Live) -> bool {
        self.peek(live).is_none()
    }

    /// The next live dot. Ranges without any are left behind.
    fn peek(&mut self, live: &Live) -> Option<(Dot, CellId)> {
        while let Some(range) = self.left.front() {
            if let Some(found) = live.in_range(*range).next() {
                return Some(found);
            }
            self.left.pop_front();
        }
        None
    }

    fn pass(&mut self, dot: Dot) {
        let Some(range) = self.left.front_mut() else { return };
        if dot.seq < range.last {
            range.first = dot.seq + 1;
        } else {
            self.left.pop_front();
        }
    }

    /// A cell with several of the dots is met once.
    fn meets_first(&self, dot: Dot, cell: &Cell) -> bool {
        let dots = cell.dots().iter().map(|live| live.dot);
        dots.filter(|other| *other < dot).all(|other| !self.of.contains(other))
    }
}
