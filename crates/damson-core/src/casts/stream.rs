//! What has come of one process's casts on one tag.

use damson_crdt::Intervals;

use crate::time::Time;

/// Pieces that may be missing at once. When there are more the oldest is given up.
const HOLES_MAX: usize = 64;

#[derive(Debug)]
pub(super) struct Stream {
    seen: Intervals,
    /// What is missing up to this number is not asked for any more. Should it come it is new all the same.
    given_up: u64,
    /// What is missing up to this number is no loss to anybody here.
    quiet: u64,
    pub heard: Time,
}

impl Stream {
    pub fn new(given_up: u64, quiet: u64, heard: Time) -> Self {
        Self { seen: Intervals::default(), given_up, quiet, heard }
    }

    /// Somebody begins to listen: what was missing before is no loss.
    pub fn begin_here(&mut self) {
        self.quiet = self.quiet.max(self.newest());
    }

    /// The greatest that has come; 0 when none has.
    pub fn newest(&self) -> u64 {
        self.seen.max()
    }

    /// Up to where it is known what there is.
    pub fn top(&self) -> u64 {
        self.newest().max(self.given_up)
    }

    /// Notes that a number came. False when it had come before.
    pub fn take(&mut self, number: u64) -> bool {
        let new = !self.seen.contains(number);
        self.seen.insert(number, number);
        new
    }

    /// The first that neither came nor was given up.
    pub fn first_missing(&self) -> u64 {
        let next = self.given_up + 1;
        self.seen.end_of(next).map_or(next, |end| end + 1)
    }

    /// Gives up the first missing piece, up to `last` at most. Returns what of it is a loss.
    pub fn give_up(&mut self, last: u64) -> Option<(u64, u64)> {
        let first = self.first_missing();
        let pairs = self.seen.pairs();
        let next = pairs.get(pairs.partition_point(|(begin, _)| *begin <= first));
        let last = next.map_or(last, |(begin, _)| last.min(begin - 1));
        if first > last {
            return None;
        }
        self.given_up = last;
        let told = first.max(self.quiet + 1);
        (told <= last).then_some((told, last))
    }

    /// Gives up the oldest pieces while there are too many, so that their number is bounded; they are not taken any more.
    /// Returns what is a loss.
    pub fn close_oldest(&mut self) -> Vec<(u64, u64)> {
        let mut lost = Vec::new();
        while self.seen.pairs().len() > HOLES_MAX {
            let before = self.seen.pairs()[1].0 - 1;
            let first = self.given_up.max(self.quiet) + 1;
            if first <= before {
                lost.extend(Intervals::of(first, before).minus(&self.seen).pairs());
            }
            self.seen.insert(1, before);
            self.given_up = self.given_up.max(before);
        }
        lost
    }
}
