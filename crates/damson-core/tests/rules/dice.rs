//! Seeded chance.

use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

pub struct Dice(ChaCha8Rng);

/// Seeds to try: the first few, or the one that `RULES_SEED` names.
pub fn seeds(count: u64) -> impl Iterator<Item = u64> {
    let one =
        std::env::var("RULES_SEED").ok().map(|seed| seed.parse::<u64>().expect("RULES_SEED is a number"));
    one.map_or(1..=count, |seed| seed..=seed)
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.0.next_u64() % n as u64).expect("less than a usize")
    }

    pub fn between(&mut self, least: i64, most: i64) -> i64 {
        let span = usize::try_from(most - least + 1).expect("a range");
        least + i64::try_from(self.below(span)).expect("a small number")
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// One of several, by weight.
    pub fn weighted<T: Copy>(&mut self, from: &[(usize, T)]) -> T {
        let mut at = self.below(from.iter().map(|(weight, _)| weight).sum());
        for (weight, item) in from {
            if at < *weight {
                return *item;
            }
            at -= weight;
        }
        unreachable!("the weights add up")
    }
}
