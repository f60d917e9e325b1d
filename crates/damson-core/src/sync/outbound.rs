//! A session in which we are the source.

use std::collections::VecDeque;

use super::pace::UNDER_WAY_MAX;
use crate::scope::ScopeName;
use crate::time::Time;

#[derive(Debug)]
pub(super) struct Outbound {
    pub scope: ScopeName,
    pub id: u64,
    /// How this node names the session.
    pub number_here: u64,
    pub began: Time,
    /// The part that was made last.
    pub number: u64,
    /// It and those before it of which the receiver has not said that they have come, in case they were lost.
    kept: VecDeque<Vec<u8>>,
    kept_bytes: u64,
    /// That was the last part: the session is kept only in case it was lost.
    pub ended: bool,
    /// When it ends we pull back.
    pub compares: bool,
    pub used: Time,
}

/// Parts that are kept. A receiver's parts may be smaller than ours.
const KEPT_MAX: usize = 1_024;
/// A question overtakes so many others at most. More parts are not made at once.
const OVERTAKEN_MAX: u64 = 64;
/// What they have together: parts are only about as large as they were asked for.
const KEPT_BYTES_MAX: u64 = 2 * UNDER_WAY_MAX;

impl Outbound {
    /// A session with its first part.
    pub fn new(scope: ScopeName, id: u64, number_here: u64, first: Vec<u8>, now: Time) -> Self {
        let mut out = Self {
            scope,
            id,
            number_here,
            began: now,
            number: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            ended: false,
            compares: false,
            used: now,
        };
        out.keep(first);
        out
    }

    /// Takes what was made.
    pub fn push(&mut self, body: Vec<u8>, ended: bool) {
        (self.number, self.ended) = (self.number + 1, ended);
        self.keep(body);
    }

    /// All before this have come.
    pub fn confirm(&mut self, have: u64) {
        while self.first_kept() < have
            && let Some(body) = self.kept.pop_front()
        {
            self.kept_bytes -= body.len() as u64;
        }
    }

    /// Forgets what is kept: what was lost of it can no longer be sent again.
    pub fn forget_parts(&mut self) {
        (self.kept, self.kept_bytes) = (VecDeque::new(), 0);
    }

    /// Bytes of the parts that are kept.
    pub fn kept_bytes(&self) -> u64 {
        self.kept_bytes
    }

    /// Is a part to be made, so that this one can be sent? The next one; or, for a receiver that asks ahead, those in front of
    /// it too, whose questions were overtaken or lost: they are kept until they are asked for.
    pub fn is_due(&self, number: u64, asks_ahead: bool) -> bool {
        let room = self.kept.len() < KEPT_MAX && self.kept_bytes < KEPT_BYTES_MAX;
        let missing = number.saturating_sub(self.number);
        !self.ended && room && (missing == 1 || (asks_ahead && (2..=OVERTAKEN_MAX).contains(&missing)))
    }

    /// A part that was made and is kept.
    pub fn part(&self, number: u64) -> Option<&Vec<u8>> {
        let at = number.checked_sub(self.first_kept())?;
        self.kept.get(usize::try_from(at).ok()?)
    }

    fn keep(&mut self, body: Vec<u8>) {
        self.kept_bytes += body.len() as u64;
        self.kept.push_back(body);
    }

    fn first_kept(&self) -> u64 {
        self.number + 1 - self.kept.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_kept_until_they_have_come_and_no_more_than_there_is_room_for() {
        let mut source = Outbound::new("app".parse().unwrap(), 1, 1, vec![0; 10], Time(0));
        (1..=3).for_each(|n| source.push(vec![n; 10], false));
        source.confirm(2);
        assert_eq!((source.part(1), source.part(2), source.kept_bytes), (None, Some(&vec![2; 10]), 20));
        let due = |source: &Outbound, number| (source.is_due(number, false), source.is_due(number, true));
        assert_eq!([3, 4, 5].map(|n| due(&source, n)), [(false, false), (true, true), (false, true)]);
        assert_eq!([67, 68].map(|n| due(&source, n)), [(false, true), (false, false)]);
        source.confirm(u64::MAX);
        assert_eq!((source.part(3), source.kept_bytes), (None, 0));
        assert!(source.is_due(4, false));
        source.push(vec![0; 33 << 20], false);
        assert!(!source.is_due(5, true), "too much is kept");
        source.confirm(5);
        source.push(vec![5], true);
        assert!(!source.is_due(6, true) && source.part(5).is_some() && source.part(u64::MAX).is_none());
    }
}
