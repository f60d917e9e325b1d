//! The smallest thing that changes, what is alive of it, and the one merge.

use bytes::Bytes;
use smallvec::SmallVec;

use crate::clock::Hlc;
use crate::context::Context;
use crate::dot::{Dot, Kills};
use crate::path::Path;
use crate::payload::Payload;
use crate::rules::{Rule, Rules};

/// The name of a value within its scope.
pub type Key = Bytes;

/// The name of a cell within its scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CellId {
    /// The key.
    pub key: Key,
    /// The place below the key.
    pub path: Path,
}

/// A dot that is alive, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveDot {
    /// The dot.
    pub dot: Dot,
    /// When it was issued, in its author's hybrid logical time.
    pub hlc: Hlc,
    /// What it says.
    pub payload: Payload,
}

/// The live dots of one cell, in order of dots. Nearly always one; several after concurrent writes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cell(SmallVec<[LiveDot; 1]>);

impl CellId {
    /// A cell.
    pub fn new(key: impl Into<Key>, path: Path) -> Self {
        Self { key: key.into(), path }
    }
}

impl Cell {
    /// Live dots as they came; `None` unless they are in order and each appears once.
    pub fn from_dots(dots: impl IntoIterator<Item = LiveDot>) -> Option<Self> {
        let dots: SmallVec<[LiveDot; 1]> = dots.into_iter().collect();
        dots.windows(2).all(|w| w[0].dot < w[1].dot).then_some(Self(dots))
    }

    /// True when nothing is alive.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The live dots, in order.
    pub fn dots(&self) -> &[LiveDot] {
        &self.0
    }

    /// The dots a write by one who sees this cell kills: all of them.
    pub fn kills(&self) -> Kills {
        Kills::of(self.0.iter().map(|live| live.dot))
    }

    /// Is this dot alive here?
    pub fn contains(&self, dot: Dot) -> bool {
        self.0.binary_search_by_key(&dot, |live| live.dot).is_ok()
    }

    /// Adds a dot. One that is alive already stays as it is.
    pub fn insert(&mut self, live: LiveDot) {
        if let Err(at) = self.0.binary_search_by_key(&live.dot, |l| l.dot) {
            self.0.insert(at, live);
        }
    }

    /// Removes the dots that `kills` names.
    pub fn kill(&mut self, kills: &Kills) {
        self.0.retain(|live| !kills.contains(live.dot));
    }

    /// The join: `(A and B) + (A minus context of B) + (B minus context of A)`.
    ///
    /// Commutative, associative and idempotent as long as live dots lie inside their contexts and one dot says the same
    /// everywhere.
    #[must_use]
    pub fn join(&self, seen: &Context, other: &Self, other_seen: &Context, rules: Rules) -> Self {
        let dead_dies = rules.holds(Rule::JoinForgetsDead);
        let mine =
            self.0.iter().filter(|l| other.contains(l.dot) || !other_seen.contains(l.dot) || !dead_dies);
        let theirs = other.0.iter().filter(|l| !self.contains(l.dot) && !seen.contains(l.dot));
        let mut out: SmallVec<[LiveDot; 1]> = mine.chain(theirs).cloned().collect();
        out.sort_unstable_by_key(|live| live.dot);
        Self(out)
    }

    /// The winner among concurrent writes: the greatest (hlc, actor). `None` when nothing is alive.
    pub fn winner(&self) -> Option<&LiveDot> {
        self.0.iter().max_by_key(|live| live.rank())
    }
}

impl LiveDot {
    /// The total order that breaks ties. The number only matters within one batch, whose hlc is one.
    pub fn rank(&self) -> (Hlc, crate::id::Actor, u64) {
        (self.hlc, self.dot.actor, self.dot.seq)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::id::{Actor, Life, NodeId};

    fn dot(n: u8) -> Dot {
        Dot::new(Actor::new(NodeId([n % 3; 16]), Life(1)), u64::from(n) + 1)
    }

    fn replica(live: &BTreeSet<u8>, seen: &BTreeSet<u8>) -> (Cell, Context) {
        let all: BTreeSet<u8> = live | seen;
        let mut cell = Cell::default();
        for n in live {
            cell.insert(LiveDot { dot: dot(*n), hlc: Hlc(u64::from(*n)), payload: Payload::Present });
        }
        (cell, all.into_iter().map(dot).collect())
    }

    fn sets() -> impl Strategy<Value = (BTreeSet<u8>, BTreeSet<u8>)> {
        (prop::collection::btree_set(0..12_u8, 0..6), prop::collection::btree_set(0..12_u8, 0..10))
    }

    fn join(a: &(Cell, Context), b: &(Cell, Context)) -> (Cell, Context) {
        let mut seen = a.1.clone();
        seen.union(&b.1);
        (a.0.join(&a.1, &b.0, &b.1, Rules::default()), seen)
    }

    proptest! {
        #[test]
        fn the_join_is_a_lattice((a, b, c) in (sets(), sets(), sets())) {
            let (x, y, z) = (replica(&a.0, &a.1), replica(&b.0, &b.1), replica(&c.0, &c.1));
            prop_assert_eq!(join(&x, &y), join(&y, &x));
            prop_assert_eq!(join(&x, &x), x.clone());
            prop_assert_eq!(join(&join(&x, &y), &z), join(&x, &join(&y, &z)));
        }

        #[test]
        fn the_join_keeps_what_the_definition_keeps((a, b) in (sets(), sets())) {
            let (x, y) = (replica(&a.0, &a.1), replica(&b.0, &b.1));
            let (seen_a, seen_b) = (&a.0 | &a.1, &b.0 | &b.1);
            let want = &(&(&a.0 & &b.0) | &(&a.0 - &seen_b)) | &(&b.0 - &seen_a);
            let have: BTreeSet<Dot> = join(&x, &y).0.dots().iter().map(|l| l.dot).collect();
            prop_assert_eq!(have, want.into_iter().map(dot).collect::<BTreeSet<_>>());
        }
    }

    #[test]
    fn kills_name_exact_dots() {
        let kills = Kills::of([dot(0), dot(3), dot(6), dot(1)]);
        assert!(kills.contains(dot(3)) && !kills.contains(dot(9)) && !kills.contains(dot(4)));
        assert_eq!(Kills::from_ranges(kills.ranges().iter().copied()), Some(kills.clone()));
        assert!(Kills::from_ranges(kills.ranges().iter().rev().copied()).is_none());
    }
}
