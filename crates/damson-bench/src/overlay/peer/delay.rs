//! How long a frame takes between two nodes: fixed for each pair, drawn by a hash of the seed and the pair.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The delays of all pairs: the same as in `damson sim overlay` with the same seed.
#[derive(Debug, Clone, Copy)]
pub struct Delays {
    seed: u64,
    shortest_us: u64,
    longest_us: u64,
}

impl Delays {
    /// Delays from the shortest to the longest, in milliseconds.
    pub fn new(seed: u64, (shortest_ms, longest_ms): (u64, u64)) -> Self {
        Self { seed, shortest_us: shortest_ms * 1_000, longest_us: longest_ms * 1_000 }
    }

    /// The delay of a pair, the same in both directions, in microseconds.
    pub fn between_us(&self, a: u32, b: u32) -> u64 {
        let pair = u64::from(a.min(b)) << 32 | u64::from(a.max(b));
        let range = self.longest_us - self.shortest_us + 1;
        self.shortest_us + xxh3_64_with_seed(&pair.to_le_bytes(), self.seed) % range
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pair_has_one_delay_in_both_directions_and_all_of_the_range_is_used() {
        let delays = Delays::new(7, (10, 100));
        let all: Vec<u64> = (0..1_000).map(|n| delays.between_us(3, n)).collect();
        assert!(all.iter().all(|us| (10_000..=100_000).contains(us)));
        assert!(all.iter().any(|us| *us < 15_000) && all.iter().any(|us| *us > 95_000));
        assert!((0..).zip(&all).all(|(n, us)| delays.between_us(n, 3) == *us));
        assert_eq!(Delays::new(1, (50, 50)).between_us(1, 2), 50_000);
        assert_ne!(Delays::new(8, (10, 100)).between_us(3, 4), delays.between_us(3, 4));
    }
}
