//! All chance, from a seed.

use std::time::Duration;

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Numbers that follow from a seed and a name.
pub struct Chance {
    seed: u64,
    drawn: u64,
}

impl Chance {
    /// The chance of a part of the run. Parts do not disturb one another.
    pub fn of(seed: u64, part: &str) -> Self {
        Self { seed: xxh3_64_with_seed(part.as_bytes(), seed), drawn: 0 }
    }

    /// A number below this one.
    pub fn below(&mut self, end: u64) -> u64 {
        self.drawn += 1;
        xxh3_64_with_seed(&self.drawn.to_le_bytes(), self.seed) % end
    }

    /// True in so many of a hundred cases.
    pub fn percent(&mut self, of_a_hundred: u64) -> bool {
        self.below(100) < of_a_hundred
    }

    /// A time up to this one.
    pub fn time_up_to(&mut self, ms: u64) -> Duration {
        Duration::from_micros(self.below(ms * 1_000))
    }
}
