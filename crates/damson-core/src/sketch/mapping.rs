//! Which symbols an item is in, and what it adds to their checks.
//!
//! Every item is in symbol 0, and in any other with a probability that falls as the index grows: the first symbols hold
//! most items, and far out nearly all stand alone. How dense they are decides how many symbols a difference costs; what led
//! to these numbers stands in the description of the module.

use std::ops::Range;

use xxhash_rust::xxh3::xxh3_128_with_seed;

use super::curve::Curve;

/// The greatest index plus one.
pub const SYMBOLS_MAX: u32 = 1 << 30;

/// What all who compare sets must have in common, and nobody else may know: without it nobody can make items that meet in
/// the same symbols, or whose checks are equal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key(pub u64, pub u64);

/// What the hash of an item says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    seed: u64,
    /// Is it of those that are in many symbols?
    wide: bool,
    /// Its part of a symbol's check.
    pub check: u32,
    /// 28 random bits that neither mapping nor check use.
    pub spare: u32,
}

/// Most items are in few symbols, and from `FAR` on in fewer still: there, pairs that meet everywhere are rare enough.
static NARROW: Curve = Curve::new(5, 0.0);
static NARROW_FAR: Curve = Curve::new(6, 0.0);
const FAR: u32 = 128;
/// Some are in many. They keep symbols from giving anything away until nearly all can be solved.
static WIDE: Curve = Curve::new(1, 6.0);
/// Of sixteen items so many are wide.
const WIDE_OF_16: u32 = 3;

/// Indices from 1 on come in blocks, each with draws of its own: one of this length, then each three times as long as all
/// before it. So a walk can begin at any of them, and a single index be tested.
const FIRST_BLOCK: u32 = 32;

impl Key {
    /// Tells keys apart without giving them away; never 0.
    pub fn name(self) -> u32 {
        (xxh3_128_with_seed(&self.0.to_le_bytes(), self.1) as u32).max(1)
    }

    pub(super) fn marks(self, item: u64) -> Marks {
        let hash = xxh3_128_with_seed(&(item ^ self.1).to_le_bytes(), self.0);
        let high = (hash >> 64) as u64;
        Marks {
            seed: hash as u64,
            wide: high as u32 % 16 < WIDE_OF_16,
            check: (high >> 32) as u32,
            spare: high as u32 >> 4,
        }
    }
}

impl Marks {
    /// Calls back with the indices in this range, in ascending order.
    pub fn each_in(&self, range: Range<u32>, mut found: impl FnMut(u32)) {
        if range.start == 0 && range.end > 0 {
            found(0);
        }
        let mut block = block_of(range.start.max(1));
        while block.start < range.end {
            let next = block.end;
            self.walk(block, |index| {
                if index >= range.start && index < range.end {
                    found(index);
                }
                index < range.end
            });
            block = next..next.saturating_mul(4);
        }
    }

    /// Is it in the symbol with this index?
    pub fn is_in(&self, index: u32) -> bool {
        let mut is_in = index == 0;
        if !is_in {
            self.walk(block_of(index), |reached| {
                is_in = reached == index;
                reached < index
            });
        }
        is_in
    }

    /// The indices of a block, until told to stop.
    fn walk(&self, block: Range<u32>, mut go_on: impl FnMut(u32) -> bool) {
        let curve = match (self.wide, block.start >= FAR) {
            (true, _) => &WIDE,
            (false, false) => &NARROW,
            (false, true) => &NARROW_FAR,
        };
        let mut draws = Draws(self.seed ^ u64::from(block.start).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (mut x, end) = (f64::from(block.start) + curve.shift, f64::from(block.end) + curve.shift);
        let mut last = 0;
        loop {
            x *= curve.factor(draws.next());
            // Compared before it is converted: it may be greater than any integer.
            if x >= end {
                return;
            }
            let index = (x - curve.shift) as u32;
            if index != last && !go_on(index) {
                return;
            }
            last = index;
        }
    }
}

/// The share of all items that is in the symbol with this index, which is not 0. For estimates only.
pub(super) fn density(index: f64) -> f64 {
    let wide = f64::from(WIDE_OF_16) / 16.0;
    let narrow = if index < f64::from(FAR) { &NARROW } else { &NARROW_FAR };
    wide * WIDE.density(index) + (1.0 - wide) * narrow.density(index)
}

fn block_of(index: u32) -> Range<u32> {
    if index < FIRST_BLOCK {
        return 1..FIRST_BLOCK;
    }
    let start = FIRST_BLOCK << ((index / FIRST_BLOCK).ilog2() & !1);
    start..start.saturating_mul(4)
}

/// Random numbers by folded multiplication.
struct Draws(u64);

impl Draws {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0xa076_1d64_78bd_642f);
        let wide = u128::from(self.0) * u128::from(self.0 ^ 0xe703_7ed1_a0b4_28db);
        wide as u64 ^ (wide >> 64) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: Key = Key(1, 2);

    fn indices(item: u64, range: Range<u32>) -> Vec<u32> {
        let mut indices = Vec::new();
        KEY.marks(item).each_in(range, |index| indices.push(index));
        indices
    }

    #[test]
    fn a_walk_that_begins_later_meets_the_same_indices_and_so_does_a_test_of_one() {
        for item in 0..200 {
            let all = indices(item, 0..3_000);
            assert!(all.is_sorted_by(|a, b| a < b), "{all:?}");
            assert_eq!(all[0], 0);
            for (from, to) in [(0, 1), (1, 16), (5, 40), (127, 129), (1_000, 3_000), (64, 64)] {
                let part: Vec<u32> = all.iter().copied().filter(|i| (from..to).contains(i)).collect();
                assert_eq!(indices(item, from..to), part);
            }
            let marks = KEY.marks(item);
            let tested: Vec<u32> = (0..3_000).filter(|index| marks.is_in(*index)).collect();
            assert_eq!(tested, all);
        }
    }

    #[test]
    fn indices_are_as_dense_as_is_said() {
        let (items, end) = (60_000_u64, 1_000);
        let mut hits = vec![0_u32; end as usize];
        (0..items).for_each(|item| KEY.marks(item).each_in(0..end, |index| hits[index as usize] += 1));
        for (from, to) in [(1, 2), (2, 3), (5, 6), (31, 33), (16, 20), (60, 70), (126, 130), (500, 600)] {
            let expected: f64 = (from..to).map(|index| density(f64::from(index)) * items as f64).sum();
            let found = f64::from(hits[from as usize..to as usize].iter().sum::<u32>());
            let off = (found - expected).abs();
            assert!(off < 4.0 * expected.sqrt() + 0.005 * expected, "{from}: {found} {expected}");
        }
    }

    #[test]
    fn the_last_index_can_be_reached_and_none_after_it() {
        let end = SYMBOLS_MAX;
        let far: Vec<u32> = (0..1_000).flat_map(|item| indices(item, end / 2..end)).collect();
        assert!(far.len() > 500 && far.iter().all(|index| (end / 2..end).contains(index)));
        assert!(far.iter().all(|index| (0..1_000).any(|item| KEY.marks(item).is_in(*index))));
    }

    /// Two nodes that map differently can tell each other nothing: whoever changes the mapping changes the protocol.
    #[test]
    fn the_mapping_is_what_it_always_was() {
        let all: Vec<u8> = (0..1_000)
            .flat_map(|item| [indices(item, 0..100_000), vec![KEY.marks(item).check]].concat())
            .flat_map(u32::to_le_bytes)
            .collect();
        assert_eq!(xxhash_rust::xxh3::xxh3_64(&all), 0xbda4_65f3_7552_08df);
    }

    #[test]
    fn another_key_is_another_mapping_with_other_checks() {
        for other in [Key(1, 3), Key(2, 2)] {
            let same = (0..1_000).filter(|item| {
                let mut theirs = Vec::new();
                other.marks(*item).each_in(0..1_000, |index| theirs.push(index));
                theirs == indices(*item, 0..1_000) || other.marks(*item).check == KEY.marks(*item).check
            });
            assert_eq!(same.count(), 0);
        }
    }
}
