//! Names of single mutations, and short lists of them.

use std::fmt;

use smallvec::{SmallVec, smallvec};

use crate::id::Actor;

/// One mutation of one cell: the author and its number, from 1, without gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Dot {
    /// The author.
    pub actor: Actor,
    /// Its number, from 1.
    pub seq: u64,
}

/// Consecutive dots of one actor, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct DotRange {
    /// The author.
    pub actor: Actor,
    /// The first number.
    pub first: u64,
    /// The last number, not less than the first.
    pub last: u64,
}

/// The dots that an operation kills, in order, without overlap. Nearly always none or one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kills(SmallVec<[DotRange; 1]>);

impl Dot {
    /// A dot.
    pub const fn new(actor: Actor, seq: u64) -> Self {
        Self { actor, seq }
    }
}

impl Kills {
    /// Kills the given dots, in whatever order and however often they are named.
    pub fn of(dots: impl IntoIterator<Item = Dot>) -> Self {
        let mut dots: SmallVec<[Dot; 4]> = dots.into_iter().collect();
        if let [one] = dots[..] {
            return Self(smallvec![DotRange { actor: one.actor, first: one.seq, last: one.seq }]);
        }
        dots.sort_unstable();
        let mut out = Self::default();
        for dot in dots {
            match out.0.last_mut() {
                Some(range) if range.actor == dot.actor && dot.seq <= range.last + 1 => range.last = dot.seq,
                _ => out.0.push(DotRange { actor: dot.actor, first: dot.seq, last: dot.seq }),
            }
        }
        out
    }

    /// Ranges as they came; `None` unless they are in order, not empty and do not touch.
    pub fn from_ranges(ranges: impl IntoIterator<Item = DotRange>) -> Option<Self> {
        let ranges: SmallVec<[DotRange; 1]> = ranges.into_iter().collect();
        let sound = ranges.iter().all(|r| r.first >= 1 && r.first <= r.last && r.last < u64::MAX);
        let ordered = ranges
            .windows(2)
            .all(|w| w[0].actor < w[1].actor || (w[0].actor == w[1].actor && w[0].last + 1 < w[1].first));
        (sound && ordered).then_some(Self(ranges))
    }

    /// The ranges, in order.
    pub fn ranges(&self) -> &[DotRange] {
        &self.0
    }

    /// True when nothing is killed.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Is this dot killed?
    pub fn contains(&self, dot: Dot) -> bool {
        let after = self.0.partition_point(|r| (r.actor, r.first) <= (dot.actor, dot.seq));
        after > 0 && self.0[after - 1].actor == dot.actor && dot.seq <= self.0[after - 1].last
    }
}

impl fmt::Debug for Dot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}:{}", self.actor, self.seq)
    }
}
