//! From the symbols of two sets to the items that only one of them has.

use std::collections::BTreeSet;

use super::estimate::Zeros;
use super::mapping::Key;
use super::queue::Queue;
use super::run::{Run, cancelled};

/// Finds the difference of two sets from their first coded symbols, which come in consecutive runs.
///
/// A symbol of the difference that holds one item *is* that item. It is taken out of the other symbols that hold it, which
/// leaves further ones with one item, and so on until all symbols are zero (`peel`). Where that ends too early, pairs of
/// symbols are tried (`guess`).
///
/// A symbol of several items may look like one. What is taken for an item then joins the unknown ones, as if the sets
/// differed by one more; it is found again where it stands alone, and cancels. So a mistake costs a little, and only the
/// end decides: all symbols are zero, and symbol 0 holds every item and has a check of 32 bits.
#[derive(Debug, Clone)]
pub struct Decoder {
    pub(super) key: Key,
    /// The difference without what was taken out.
    pub(super) residual: Run,
    /// How many of its symbols are not zero.
    pub(super) nonzero: usize,
    /// Symbols that changed and were not looked at since.
    pub(super) queue: Queue,
    /// Symbols that look like one item, which others contradict.
    pub(super) doubted: Vec<u32>,
    /// Items that were taken out for want of anything better: each only once, or there would be no end.
    pub(super) tried: BTreeSet<u64>,
    /// Every item that was taken out; one that stands here twice was put back.
    pub(super) taken: Vec<u64>,
    pub(super) taken_max: usize,
    /// The symbols that hold the item that is looked at.
    pub(super) indices: Vec<u32>,
    zeros: Zeros,
    steps_left: u64,
}

/// Symbols that lead to nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// These symbols are not the next ones, or those of the two sets are not the same ones. Nothing was changed.
    #[error("symbols {start}..{end} came where {expected} was expected")]
    Misplaced {
        /// The first index that came.
        start: u32,
        /// The last one plus one.
        end: u32,
        /// The index that is next.
        expected: u32,
    },
    /// More items were found than the sets may differ by. The decoder is of no further use.
    #[error("the sets differ by more than was allowed")]
    TooManyDifferences,
    /// More was done than two sets that differ by so few would need: perhaps these are no symbols of sets. The decoder is
    /// of no further use.
    #[error("the symbols take more work than was allowed")]
    TooMuchWork,
}

/// Work that is allowed for each difference: several times what is needed. A step is a symbol touched or looked at.
const STEPS_EACH: u64 = 256;
/// And on top of that.
const STEPS_MORE: u64 = 1 << 20;

impl Decoder {
    /// A decoder for sets that differ by about so many items at most.
    pub fn new(key: Key, differences_max: usize) -> Self {
        Self {
            key,
            residual: Run::default(),
            nonzero: 0,
            queue: Queue::default(),
            doubted: Vec::new(),
            tried: BTreeSet::new(),
            taken: Vec::new(),
            // Mistakes stand there too.
            taken_max: differences_max + differences_max / 4 + 512,
            indices: Vec::new(),
            zeros: Zeros::default(),
            steps_left: STEPS_MORE + STEPS_EACH * differences_max as u64,
        }
    }

    /// How many symbols were taken in.
    pub fn received(&self) -> u32 {
        self.residual.range().end
    }

    /// Takes in the next symbols of both sets. Says whether the difference is found.
    ///
    /// What is known already is taken out of each run, so runs should grow with what was received.
    pub fn push(&mut self, ours: &Run, theirs: &Run) -> Result<bool, DecodeError> {
        let (range, expected) = (theirs.range(), self.received());
        if range.start != expected || ours.range() != range {
            return Err(DecodeError::Misplaced { start: range.start, end: range.end, expected });
        }
        self.take_in(ours, theirs)?;
        self.peel()?;
        while !self.is_done() {
            let Some(item) = self.guess()? else {
                return Ok(false);
            };
            let marks = self.key.marks(item);
            self.tried.insert(item);
            self.trace(&marks)?;
            self.take(item, &marks)?;
            self.peel()?;
        }
        Ok(true)
    }

    /// Is the difference found? Then no further symbols are needed.
    pub fn is_done(&self) -> bool {
        self.nonzero == 0 && self.received() > 0
    }

    /// The items that one of the sets has and the other has not, in ascending order; all and only these once
    /// [`Decoder::is_done`].
    pub fn differences(&self) -> Vec<u64> {
        cancelled(self.taken.clone())
    }

    /// By how many items the sets differ, about, as far as the symbols tell. `None` when they are too few to say, which is
    /// when there are fewer than about half as many as differences.
    pub fn estimate(&self) -> Option<u64> {
        if self.is_done() { Some(self.differences().len() as u64) } else { self.zeros.estimate() }
    }

    fn take_in(&mut self, ours: &Run, theirs: &Run) -> Result<(), DecodeError> {
        let mut new = theirs.clone();
        new.subtract(ours);
        for index in new.range() {
            self.zeros.count(index, new.is_zero(index));
        }
        self.taken = cancelled(std::mem::take(&mut self.taken));
        self.spend(self.taken.len() as u64 + u64::from(new.range().end - new.range().start))?;
        self.taken.iter().for_each(|item| new.toggle(self.key, *item));
        self.residual.append(&new);
        for index in new.range().filter(|index| !new.is_zero(*index)) {
            self.nonzero += 1;
            self.queue.push(index);
        }
        Ok(())
    }

    pub(super) fn spend(&mut self, steps: u64) -> Result<(), DecodeError> {
        self.steps_left = self.steps_left.checked_sub(steps).ok_or(DecodeError::TooMuchWork)?;
        Ok(())
    }
}
