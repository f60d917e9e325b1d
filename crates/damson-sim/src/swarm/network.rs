//! The network between the nodes: delays, losses, dials that nobody answers.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The network of a run.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    /// Delays are drawn from this.
    pub seed: u64,
    /// The shortest and the longest delay of a link, in microseconds; each pair of nodes has one for good.
    pub delay_us: (u64, u64),
    /// Frames that vanish, in percent.
    pub loss_pct: f64,
    /// After this time a dial that nobody answers has failed, in microseconds.
    pub dial_timeout_us: u64,
}

/// A longer delay leaves no time to greet: a link that is not greeted after 5 seconds is given up.
const DELAY_US_MAX: u64 = 1_000_000;

impl Network {
    /// How long a frame takes between these two, in microseconds: always the same.
    pub fn delay_us(&self, a: u32, b: u32) -> u64 {
        let (shortest, longest) = self.delay_us;
        let pair = u64::from(a.min(b)) << 32 | u64::from(a.max(b));
        shortest + xxh3_64_with_seed(&pair.to_le_bytes(), self.seed) % (longest - shortest + 1)
    }

    /// Can there be such a network? Says which limit is broken.
    pub fn check(delay_us: (u64, u64), loss_pct: f64) -> Result<(), String> {
        let (shortest, longest) = delay_us;
        if shortest > longest {
            return Err(format!(
                "delays from {} to {} ms: the first must not be greater than the second",
                shortest as f64 / 1e3,
                longest as f64 / 1e3
            ));
        }
        if longest > DELAY_US_MAX {
            return Err(format!(
                "a delay of {} ms: at most {} ms, or no greeting is over in time",
                longest as f64 / 1e3,
                DELAY_US_MAX / 1_000
            ));
        }
        if !(0.0..100.0).contains(&loss_pct) {
            return Err(format!("{loss_pct} % loss: from 0 up to, but not including, 100"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_one_delay_in_both_directions() {
        let network = Network { seed: 3, delay_us: (1_000, 9_000), loss_pct: 0.0, dial_timeout_us: u64::MAX };
        let delays: Vec<u64> = (1..50).map(|at| network.delay_us(0, at)).collect();
        assert!(delays.iter().all(|delay| (1_000..=9_000).contains(delay)));
        assert!((1..50).zip(&delays).all(|(at, delay)| network.delay_us(at, 0) == *delay));
        assert!(delays.iter().any(|delay| *delay != delays[0]));
    }
}
