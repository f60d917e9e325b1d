//! What two sides hold.

use std::ops::Range;

/// Numbers of what two sides hold, each lacking some that the other has.
pub struct Sides {
    first: u64,
    /// What only the one holds, what only the other, and what both.
    pub one: Range<u64>,
    pub other: Range<u64>,
}

impl Sides {
    /// Of `keys` at the one, half of `diff` is missing at the other; it holds the rest of `diff` for itself. Each run has its own
    /// numbers.
    pub fn new(keys: u32, diff: u32, run: usize) -> Self {
        let first = (run as u64) << 40;
        let half = u64::from(diff.div_ceil(2));
        let middle = first + u64::from(keys) - half;
        Self { first, one: middle..middle + half, other: middle + half..middle + u64::from(diff) }
    }

    pub fn of_one(&self) -> impl Iterator<Item = u64> + Clone + use<> {
        (self.first..self.one.start).chain(self.one.clone())
    }

    pub fn of_other(&self) -> impl Iterator<Item = u64> + Clone + use<> {
        (self.first..self.one.start).chain(self.other.clone())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn sides_differ_by_what_was_asked_for() {
        let sides = Sides::new(100, 7, 3);
        let (one, other): (BTreeSet<_>, BTreeSet<_>) = (sides.of_one().collect(), sides.of_other().collect());
        assert_eq!((one.len(), one.difference(&other).count()), (100, 4));
        assert_eq!((other.len(), other.difference(&one).count()), (99, 3));
        assert!(one.is_disjoint(&Sides::new(100, 7, 4).of_one().collect()));
    }
}
