//! Pairs of sets, and their reconciliation.

use damson_core::sketch::{DecodeError, Decoder, Key, Run};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

pub const KEY: Key = Key(0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210);

pub fn random(seed: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(seed)
}

pub fn items(rng: &mut ChaCha8Rng, count: usize) -> Vec<u64> {
    (0..count).map(|_| rng.next_u64()).collect()
}

/// Two sets and what only one of them has, ascending.
pub struct Pair {
    pub ours: Vec<u64>,
    pub theirs: Vec<u64>,
    pub differences: Vec<u64>,
}

impl Pair {
    /// With so many items in common; of the differences a part is ours.
    pub fn random(rng: &mut ChaCha8Rng, common: usize, differences: usize) -> Self {
        let common = items(rng, common);
        let mut differences = items(rng, differences);
        let split = (rng.next_u64() % (differences.len() as u64 + 1)) as usize;
        let ours = [&common, &differences[..split]].concat();
        let theirs = [&common, &differences[split..]].concat();
        differences.sort_unstable();
        Self { ours, theirs, differences }
    }

    /// Gives a decoder the next symbols.
    pub fn push(&self, decoder: &mut Decoder, more: u32) -> Result<bool, DecodeError> {
        let range = decoder.received()..decoder.received() + more;
        let ours = Run::of(range.clone(), KEY, self.ours.iter().copied());
        decoder.push(&ours, &Run::of(range, KEY, self.theirs.iter().copied()))
    }

    /// How many symbols are needed, to within this many.
    pub fn needed(&self, step: u32) -> u32 {
        let mut decoder = Decoder::new(KEY, self.differences.len());
        while !self.push(&mut decoder, step).expect("two sets") {
            assert!(decoder.received() < 100 + 20 * self.differences.len() as u32, "no end");
        }
        assert_eq!(decoder.differences(), self.differences);
        decoder.received()
    }
}
