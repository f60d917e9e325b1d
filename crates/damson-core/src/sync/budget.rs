//! How much is taken in a second.

use crate::time::Time;

/// A bucket that holds what may be taken in one second, and fills as time passes. How much a part takes is known when it has
/// come: then it may be overdrawn, and is waited for.
#[derive(Debug)]
pub(super) struct Budget {
    per_s: u64,
    /// Thousandths of bytes, below zero when overdrawn.
    left: i128,
    at: Time,
}

/// Debts beyond so many seconds are forgotten.
const DEBT_S_MAX: i128 = 10;

impl Budget {
    pub fn new(bytes_per_s: u64, now: Time) -> Self {
        let per_s = bytes_per_s.max(1);
        Self { per_s, left: i128::from(per_s) * 1_000, at: now }
    }

    /// These bytes were taken.
    pub fn take(&mut self, bytes: usize, now: Time) {
        self.fill(now);
        self.left -= i128::try_from(bytes).expect("bytes in memory") * 1_000;
        self.left = self.left.max(-self.full() * DEBT_S_MAX);
    }

    /// For how many milliseconds no more should be asked for, while so many bytes are under way.
    pub fn wait_ms(&mut self, under_way: u64, now: Time) -> u64 {
        self.fill(now);
        let lacks = i128::from(under_way) * 1_000 - self.left;
        let lacks = u128::try_from(lacks).unwrap_or(0);
        u64::try_from(lacks.div_ceil(u128::from(self.per_s))).unwrap_or(u64::MAX)
    }

    fn fill(&mut self, now: Time) {
        let came = i128::from(self.per_s) * i128::from(now.ms_since(self.at));
        self.left = self.full().min(self.left + came);
        self.at = now;
    }

    fn full(&self) -> i128 {
        i128::from(self.per_s) * 1_000
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_taken_at_once_and_the_rest_is_waited_for() {
        let start = Time(0).plus_ms(5_000);
        let mut budget = Budget::new(1_000, start);
        budget.take(1_000, start);
        assert_eq!(budget.wait_ms(0, start), 0);
        budget.take(500, start);
        assert_eq!(budget.wait_ms(0, start), 500);
        assert_eq!(budget.wait_ms(0, start.plus_ms(499)), 1);
        assert_eq!(budget.wait_ms(0, start.plus_ms(500)), 0);
        budget.take(1_000, start.plus_ms(90_000));
        assert_eq!(budget.wait_ms(0, start.plus_ms(90_000)), 0, "no more than a second is saved up");
        budget.take(1, start.plus_ms(90_000));
        assert_eq!(budget.wait_ms(0, start.plus_ms(90_000)), 1);
    }

    #[test]
    fn what_is_under_way_counts_as_if_it_had_come() {
        let mut budget = Budget::new(1_000, Time(0));
        assert_eq!((budget.wait_ms(1_000, Time(0)), budget.wait_ms(1_001, Time(0))), (0, 1));
        budget.take(1_000, Time(0));
        assert_eq!(budget.wait_ms(300, Time(0)), 300);
    }

    #[test]
    fn extreme_rates_do_not_overflow() {
        let mut budget = Budget::new(u64::MAX, Time(0));
        budget.take(usize::MAX, Time(u64::MAX));
        assert_eq!(budget.wait_ms(0, Time(u64::MAX)), 0);
        let mut budget = Budget::new(0, Time(0));
        budget.take(usize::MAX, Time(0));
        assert_eq!(budget.wait_ms(0, Time(0)), 10_000);
    }
}
