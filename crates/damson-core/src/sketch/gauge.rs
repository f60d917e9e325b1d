//! How far apart two sets are, from 72 bytes of each.

use super::mapping::{Key, Marks};

/// Each level holds half as many items as the one before it.
const LEVELS: usize = 18;
/// Bits of a level.
const BITS: u32 = 32;
/// With more than 2 to this power of differences the bits are as good as random.
const DOUBLINGS: u32 = 22;

/// Parities of samples of a set. Those of two sets differ by the parities of the difference, whose number the levels give
/// away: in the first ones with few bits set hardly any item, in the last ones hardly two share a bit.
///
/// Coded symbols say nothing of a difference as long as there are fewer of them than about half of its items; this says it
/// before there are any, within a quarter two times out of three.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Gauge {
    levels: [u32; LEVELS],
}

impl Gauge {
    /// How many bytes it takes.
    pub const BYTES: usize = LEVELS * 4;

    /// Puts an item in, or takes it out.
    pub fn toggle(&mut self, key: Key, item: u64) {
        self.toggle_marked(&key.marks(item));
    }

    pub(super) fn toggle_marked(&mut self, marks: &Marks) {
        let level = ((marks.spare / BITS).trailing_zeros() as usize).min(LEVELS - 1);
        self.levels[level] ^= 1 << (marks.spare % BITS);
    }

    /// By how many items two sets differ, about.
    pub fn differences(&self, other: &Self) -> u64 {
        let pairs = self.levels.iter().zip(&other.levels);
        let odd: Vec<f64> = pairs.map(|(a, b)| f64::from((a ^ b).count_ones())).collect();
        if odd.iter().all(|odd| *odd == 0.0) {
            return 0;
        }
        // Eight steps for each doubling are finer than what the bits can tell.
        let candidates = (0..=DOUBLINGS * 8).map(|eighths| (f64::from(eighths) / 8.0).exp2());
        let weighed = candidates.map(|d| (likelihood(&odd, d), d));
        weighed.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(0, |best| best.1.round() as u64)
    }

    /// The bytes.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        for (level, bytes) in self.levels.iter().zip(bytes.chunks_exact_mut(4)) {
            bytes.copy_from_slice(&level.to_le_bytes());
        }
        bytes
    }

    /// From the bytes; any are possible.
    pub fn decode(bytes: &[u8; Self::BYTES]) -> Self {
        let mut gauge = Self::default();
        for (level, bytes) in gauge.levels.iter_mut().zip(bytes.chunks_exact(4)) {
            *level = bytes.iter().rev().fold(0, |value, byte| value << 8 | u32::from(*byte));
        }
        gauge
    }
}

/// The logarithm of the probability of so many odd bits in each level, if there are `d` differences: a bit that each item
/// flips with probability `q` is odd with probability `(1 - (1 - 2q) ^ d) / 2`.
fn likelihood(odd: &[f64], d: f64) -> f64 {
    let of_level = |(level, odd): (usize, &f64)| {
        // The last level takes what is left, as many as the one before it.
        let share = 0.5_f64.powi(level.min(LEVELS - 2) as i32 + 1) / f64::from(BITS);
        let p = -((-2.0 * share).ln_1p() * d).exp_m1() / 2.0;
        odd * p.ln() + (f64::from(BITS) - odd) * (-p).ln_1p()
    };
    odd.iter().enumerate().map(of_level).sum()
}
