//! Sets of numbers as intervals: nearly always one.

use smallvec::SmallVec;

/// A set of numbers from 1, as ordered intervals that neither overlap nor touch. Both ends are included.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intervals(SmallVec<[(u64, u64); 1]>);

impl Intervals {
    /// The numbers `first..=last`.
    pub fn of(first: u64, last: u64) -> Self {
        debug_assert!(1 <= first && first <= last, "an interval is not empty");
        Self(SmallVec::from_elem((first, last), 1))
    }

    /// Intervals as they came; `None` unless they are in order, not empty and do not touch.
    pub fn from_pairs(pairs: impl IntoIterator<Item = (u64, u64)>) -> Option<Self> {
        let pairs: SmallVec<[(u64, u64); 1]> = pairs.into_iter().collect();
        let sound = pairs.iter().all(|&(first, last)| 1 <= first && first <= last && last < u64::MAX);
        let is_ordered = || pairs.windows(2).all(|w| w[0].1 + 1 < w[1].0);
        (sound && is_ordered()).then_some(Self(pairs))
    }

    /// The intervals, in order.
    pub fn pairs(&self) -> &[(u64, u64)] {
        &self.0
    }

    /// True for the empty set.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many numbers are in the set.
    pub fn len(&self) -> u64 {
        self.0.iter().fold(0, |sum, (first, last)| sum.saturating_add(last - first + 1))
    }

    /// The greatest number, 0 for the empty set.
    pub fn max(&self) -> u64 {
        self.0.last().map_or(0, |&(_, last)| last)
    }

    /// Is this number in the set?
    pub fn contains(&self, n: u64) -> bool {
        self.contains_range(n, n)
    }

    /// Are all of `first..=last` in the set?
    pub fn contains_range(&self, first: u64, last: u64) -> bool {
        let after = self.0.partition_point(|&(start, _)| start <= first);
        after > 0 && self.0[after - 1].1 >= last
    }

    /// The end of the interval with this number, if there is one.
    pub fn end_of(&self, n: u64) -> Option<u64> {
        let after = self.0.partition_point(|&(start, _)| start <= n);
        let (_, last) = self.0[..after].last()?;
        (*last >= n).then_some(*last)
    }

    /// Adds `first..=last`.
    pub fn insert(&mut self, first: u64, last: u64) {
        debug_assert!(1 <= first && first <= last, "an interval is not empty");
        match self.0.last_mut() {
            None => self.0.push((first, last)),
            Some(end) if end.1 + 1 == first => end.1 = last,
            Some(end) if end.1 + 1 < first => self.0.push((first, last)),
            Some(_) => self.insert_within(first, last),
        }
    }

    fn insert_within(&mut self, first: u64, last: u64) {
        let from = self.0.partition_point(|&(_, end)| end.saturating_add(1) < first);
        let to = self.0.partition_point(|&(start, _)| start <= last.saturating_add(1));
        if from == to {
            self.0.insert(from, (first, last));
            return;
        }
        let merged = (first.min(self.0[from].0), last.max(self.0[to - 1].1));
        self.0.drain(from + 1..to);
        self.0[from] = merged;
    }

    /// Adds all of another set.
    pub fn union(&mut self, other: &Self) {
        other.0.iter().for_each(|&(first, last)| self.insert(first, last));
    }

    /// What is here and not there.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut out = Self::default();
        let mut theirs = other.0.iter().peekable();
        for &(mut first, last) in &self.0 {
            while theirs.next_if(|&&(_, end)| end < first).is_some() {}
            let mut rest = theirs.clone();
            while let Some(&(start, end)) = rest.next_if(|&&(start, _)| start <= last) {
                if start > first {
                    out.0.push((first, start - 1));
                }
                first = end + 1;
                if first > last {
                    break;
                }
            }
            if first <= last {
                out.0.push((first, last));
            }
        }
        out
    }

    /// What is both here and there.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.minus(&self.minus(other))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn naive(set: &Intervals) -> BTreeSet<u64> {
        set.pairs().iter().flat_map(|&(first, last)| first..=last).collect()
    }

    fn build(ranges: &[(u64, u64)]) -> Intervals {
        let mut out = Intervals::default();
        ranges.iter().for_each(|&(first, len)| out.insert(first, first + len));
        out
    }

    fn ranges() -> impl Strategy<Value = Vec<(u64, u64)>> {
        prop::collection::vec((1..60_u64, 0..6_u64), 0..12)
    }

    proptest! {
        #[test]
        fn intervals_behave_as_sets(a in ranges(), b in ranges(), n in 1..70_u64) {
            let (x, y) = (build(&a), build(&b));
            let want: BTreeSet<u64> = a.iter().flat_map(|&(first, len)| first..=first + len).collect();
            prop_assert_eq!(naive(&x), want.clone());
            prop_assert_eq!(x.len(), want.len() as u64);
            prop_assert_eq!(x.contains(n), want.contains(&n));
            prop_assert_eq!(naive(&x.minus(&y)), &naive(&x) - &naive(&y));
            prop_assert_eq!(naive(&x.intersection(&y)), &naive(&x) & &naive(&y));
            let mut both = x.clone();
            both.union(&y);
            prop_assert_eq!(naive(&both), &naive(&x) | &naive(&y));
            for set in [&x, &both, &x.minus(&y)] {
                prop_assert!(Intervals::from_pairs(set.pairs().iter().copied()).is_some(), "not canonical: {set:?}");
            }
        }
    }
}
