//! What is said of a cluster.

use std::time::Duration;

/// Of Damson or of the peer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    pub visible_ms_p50: f64,
    pub visible_ms_p99: f64,
    pub converged_puts_per_s: f64,
    /// What all nodes have sent for each put of the burst.
    pub bytes_per_put: f64,
}

/// The least of the values that is not below so many percent of them, in milliseconds.
#[cfg_attr(not(any(feature = "peers", test)), expect(dead_code, reason = "only the peer is measured here"))]
pub fn percentile_ms(sorted: &[Duration], percent: usize) -> f64 {
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).map_or(f64::NAN, |took| took.as_secs_f64() * 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let took: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        assert_eq!((percentile_ms(&took, 50), percentile_ms(&took, 99)), (100.0, 198.0));
        assert_eq!(percentile_ms(&took[..1], 99), 1.0);
    }
}
