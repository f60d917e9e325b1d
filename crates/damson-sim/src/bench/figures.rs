//! From several runs to one figure.

use std::time::Duration;

use super::Elapsed;

/// The middle one of an odd number of values; of an even number the upper of the two in the middle.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// The least of the values that is not below so many percent of them, in milliseconds.
pub fn percentile_ms(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).map_or(f64::NAN, |took| took.as_secs_f64() * 1_000.0)
}

/// How many a second, when `count` took this long.
pub fn per_second(count: usize, took: Duration) -> f64 {
    // A clock that stands still must not give infinity.
    count as f64 / took.as_secs_f64().max(1e-9)
}

/// How long this takes.
pub fn timed(clock: Elapsed<'_>, work: impl FnOnce()) -> Duration {
    let before = clock();
    work();
    clock().saturating_sub(before)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_one_in_the_middle() {
        assert_eq!(median([5.0]), 5.0);
        assert_eq!(median([9.0, 1.0, 2.0]), 2.0);
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let took: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!((percentile_ms(&took, 50), percentile_ms(&took, 99)), (100.0, 198.0));
        assert_eq!(percentile_ms(&took[..1], 99), 1.0);
    }

    #[test]
    fn a_rate_is_defined_whatever_the_clock_says() {
        assert_eq!(per_second(10, Duration::from_millis(500)), 20.0);
        assert!(per_second(10, Duration::ZERO).is_finite());
    }
}
