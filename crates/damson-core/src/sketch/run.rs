//! Consecutive coded symbols.

use std::ops::Range;

use super::mapping::{Key, Marks, SYMBOLS_MAX};

/// Symbols up to here carry a check. Beyond it an item is found in so few of the symbols that asking whether it belongs
/// there says as much.
pub(super) const CHECKED: u32 = 128;
/// Bytes of a sum, of the check of symbol 0, and of the other checks.
const SUM: usize = 8;
const WHOLE_CHECK: usize = 4;
const CHECK: usize = 1;

/// Consecutive coded symbols of a set: for each the exclusive or of the items in it, and for the first ones that of their
/// checks. The difference of two sets has the exclusive or of their symbols.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run {
    start: u32,
    sums: Vec<u64>,
    /// Of those symbols that have one.
    checks: Vec<u32>,
}

/// Bytes that are no symbols, or symbols that do not belong together. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// The bytes are too many or too few.
    #[error("{bytes} bytes cannot be the symbols {start}..{end}")]
    Length {
        /// How many came.
        bytes: usize,
        /// The first symbol's index.
        start: u32,
        /// The last one's plus one.
        end: u32,
    },
    /// There are no symbols with such indices.
    #[error("there are no symbols {start}..{end}")]
    Range {
        /// The first symbol's index.
        start: u32,
        /// The last one's plus one.
        end: u32,
    },
}

impl Run {
    /// The symbols of the empty set.
    pub fn empty(range: Range<u32>) -> Self {
        let len = range.len();
        let checked = range.end.min(CHECKED).saturating_sub(range.start) as usize;
        Self { start: range.start, sums: vec![0; len], checks: vec![0; checked] }
    }

    /// The symbols of a set, by one pass over all its items: for a few far beyond what a [`super::Prefix`] maintains.
    pub fn of(range: Range<u32>, key: Key, items: impl IntoIterator<Item = u64>) -> Self {
        let mut run = Self::empty(range);
        items.into_iter().for_each(|item| run.toggle(key, item));
        run
    }

    /// Which symbols these are.
    pub fn range(&self) -> Range<u32> {
        self.start..self.start + self.sums.len() as u32
    }

    /// Puts an item in, or takes it out.
    pub fn toggle(&mut self, key: Key, item: u64) {
        self.toggle_marked(item, &key.marks(item));
    }

    pub(super) fn toggle_marked(&mut self, item: u64, marks: &Marks) {
        marks.each_in(self.range(), |index| self.flip(index, item, marks));
    }

    /// Puts an item into a single symbol, or takes it out.
    pub(super) fn flip(&mut self, index: u32, item: u64, marks: &Marks) {
        let at = (index - self.start) as usize;
        self.sums[at] ^= item;
        if let Some(check) = self.checks.get_mut(at) {
            *check ^= marks.check & check_mask(index);
        }
    }

    /// The symbols of the difference. Both must be of the same range.
    pub(super) fn subtract(&mut self, other: &Self) {
        assert_eq!(self.range(), other.range(), "symbols of two ranges");
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, other)| *sum ^= other);
        self.checks.iter_mut().zip(&other.checks).for_each(|(check, other)| *check ^= other);
    }

    /// Adds those that follow.
    pub(super) fn append(&mut self, next: &Self) {
        assert_eq!(self.range().end, next.start, "symbols that do not follow");
        self.sums.extend(&next.sums);
        self.checks.extend(&next.checks);
    }

    /// Some of these symbols.
    pub(super) fn part(&self, range: Range<u32>) -> Self {
        let mut part = Self::empty(range.clone());
        let at = (range.start - self.start) as usize;
        part.sums.copy_from_slice(&self.sums[at..at + range.len()]);
        let checks = part.checks.len();
        if checks > 0 {
            part.checks.copy_from_slice(&self.checks[at..at + checks]);
        }
        part
    }

    /// A symbol's sum, and its check if it has one.
    pub(super) fn symbol(&self, index: u32) -> (u64, Option<u32>) {
        let at = (index - self.start) as usize;
        (self.sums[at], self.checks.get(at).copied())
    }

    pub(super) fn is_zero(&self, index: u32) -> bool {
        let (sum, check) = self.symbol(index);
        sum == 0 && check.is_none_or(|check| check == 0)
    }

    /// How many bytes these symbols take.
    pub fn encoded_len(range: &Range<u32>) -> usize {
        let checked = range.end.min(CHECKED).saturating_sub(range.start) as usize;
        let whole = usize::from(range.start == 0 && range.end > 0) * (WHOLE_CHECK - CHECK);
        range.len() * SUM + checked * CHECK + whole
    }

    /// Writes the symbols: all sums, then the checks. Which symbols they are must be told beside.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.reserve(Self::encoded_len(&self.range()));
        self.sums.iter().for_each(|sum| out.extend_from_slice(&sum.to_le_bytes()));
        for (index, check) in (self.start..).zip(&self.checks) {
            out.extend_from_slice(&check.to_le_bytes()[..check_len(index)]);
        }
    }

    /// Reads the symbols of this range from as many bytes as they take.
    pub fn decode(range: Range<u32>, bytes: &[u8]) -> Result<Self, RunError> {
        let Range { start, end } = range;
        if start > end || end > SYMBOLS_MAX {
            return Err(RunError::Range { start, end });
        }
        if bytes.len() != Self::encoded_len(&range) {
            return Err(RunError::Length { bytes: bytes.len(), start, end });
        }
        let mut run = Self::empty(range);
        let (sums, mut checks) = bytes.split_at(run.sums.len() * SUM);
        for (sum, bytes) in run.sums.iter_mut().zip(sums.chunks_exact(SUM)) {
            *sum = little_endian(bytes);
        }
        for (index, check) in (start..).zip(&mut run.checks) {
            let (bytes, rest) = checks.split_at(check_len(index));
            (*check, checks) = (little_endian(bytes) as u32, rest);
        }
        Ok(run)
    }
}

/// Which bits of an item's check this symbol carries. Symbol 0 has more: it holds every item, so that its check is one of
/// the whole set.
pub(super) fn check_mask(index: u32) -> u32 {
    if index == 0 { u32::MAX } else { 0xff }
}

fn check_len(index: u32) -> usize {
    if index == 0 { WHOLE_CHECK } else { CHECK }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Sorted, without what is there an even number of times.
pub(super) fn cancelled(mut items: Vec<u64>) -> Vec<u64> {
    items.sort_unstable();
    let mut once: Vec<u64> = Vec::with_capacity(items.len());
    for item in items {
        if once.last() == Some(&item) {
            once.pop();
        } else {
            once.push(item);
        }
    }
    once
}
