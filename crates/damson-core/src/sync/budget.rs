//! How much is taken in a second.

use crate::time::Time;

/// A bucket that holds what may be taken in one second, and fills as time passes. What is taken is known afterwards: then it
/// may be overdrawn, and is waited for.
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

    /// These bytes were taken. Says for how many milliseconds no more should be.
    pub fn take(&mut self, bytes: usize, now: Time) -> u64 {
        let (full, since) = (i128::from(self.per_s) * 1_000, now.ms_since(self.at));
        self.left = full.min(self.left + i128::from(self.per_s) * i128::from(since));
        self.at = now;
        self.left -= i128::try_from(bytes).expect("bytes in memory") * 1_000;
        self.left = self.left.max(-full * DEBT_S_MAX);
        let lacks = u128::try_from(-self.left).unwrap_or(0);
        u64::try_from(lacks.div_ceil(u128::from(self.per_s))).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_is_taken_at_once_and_the_rest_is_waited_for() {
        let start = Time(0).plus_ms(5_000);
        let mut budget = Budget::new(1_000, start);
        assert_eq!(budget.take(1_000, start), 0);
        assert_eq!(budget.take(500, start), 500);
        assert_eq!(budget.take(0, start.plus_ms(499)), 1);
        assert_eq!(budget.take(0, start.plus_ms(500)), 0);
        assert_eq!(budget.take(1_000, start.plus_ms(90_000)), 0, "no more than a second is saved up");
        assert_eq!(budget.take(1, start.plus_ms(90_000)), 1);
    }

    #[test]
    fn extreme_rates_do_not_overflow() {
        let mut budget = Budget::new(u64::MAX, Time(0));
        assert_eq!(budget.take(usize::MAX, Time(u64::MAX)), 0);
        let mut budget = Budget::new(0, Time(0));
        assert_eq!(budget.take(usize::MAX, Time(0)), 10_000);
    }
}
