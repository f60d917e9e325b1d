//! Which of its items the other side is to send.

use std::ops::RangeInclusive;

use super::bits::{BitReader, BitWriter};

/// Items that are wanted, by their first bits only: as many as tell them apart from nearly all other items of the set they
/// are in. Who has to know exactly which ones are meant has to check that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// How many bits of each, from 0 to 64.
    bits: u32,
    /// These bits, ascending, each once.
    prefixes: Vec<u64>,
}

/// Bytes that are no list of wanted items.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WantedError {
    /// They end too early, or go on.
    #[error("the bytes do not hold what they announce")]
    Length,
    /// More items than are allowed, or than there can be.
    #[error("too many items are wanted")]
    TooMany,
    /// Numbers that cannot be.
    #[error("an item has more bits than there are")]
    Range,
}

/// Bits beyond those that number all pairs of an item and a wanted one: one list in 256 means another item as well, and has
/// to be told in full.
const SPARE_BITS: u32 = 8;
/// An item's first bits say where to look for it.
const BITS_MIN: u32 = 24;

impl Wanted {
    /// Wants these items, in any order, of a set of `set_len`.
    pub fn new(items: &[u64], set_len: u64) -> Self {
        let bits_of = |number: u64| u64::BITS - number.leading_zeros();
        let bits = bits_of(set_len) + bits_of(items.len() as u64) + SPARE_BITS;
        Self::by_bits(items, bits.clamp(BITS_MIN, u64::BITS))
    }

    /// Wants these items, by all their bits.
    pub fn exact(items: &[u64]) -> Self {
        Self::by_bits(items, u64::BITS)
    }

    fn by_bits(items: &[u64], bits: u32) -> Self {
        let mut prefixes: Vec<u64> = items.iter().map(|item| prefix(*item, bits)).collect();
        prefixes.sort_unstable();
        prefixes.dedup();
        Self { bits, prefixes }
    }

    /// How many items are wanted; two that begin alike are one.
    pub fn len(&self) -> usize {
        self.prefixes.len()
    }

    /// How many bits of each item are told.
    pub fn bits(&self) -> u32 {
        self.bits
    }

    /// Is nothing wanted?
    pub fn is_empty(&self) -> bool {
        self.prefixes.is_empty()
    }

    /// Is this item wanted?
    pub fn matches(&self, item: u64) -> bool {
        self.prefixes.binary_search(&prefix(item, self.bits)).is_ok()
    }

    /// The ranges in which the wanted items lie, ascending: for looking them up in an ordered index.
    pub fn ranges(&self) -> impl Iterator<Item = RangeInclusive<u64>> {
        let rest = u64::BITS - self.bits;
        self.prefixes.iter().map(move |prefix| {
            let first = prefix.checked_shl(rest).unwrap_or(0);
            first..=first | u64::MAX.checked_shr(self.bits).unwrap_or(0)
        })
    }

    /// How many there are, how many bits they have, and the gaps between them in Golomb-Rice code.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_number(self.prefixes.len() as u64, &mut bytes);
        bytes.push(self.bits as u8);
        let (low, mut writer, mut next) = (low_bits(self.bits, self.len() as u64), BitWriter::default(), 0);
        for prefix in &self.prefixes {
            writer.rice(prefix - next, low);
            next = prefix.wrapping_add(1);
        }
        bytes.extend(writer.finish());
        bytes
    }

    /// Reads at most `len_max` items.
    pub fn decode(bytes: &[u8], len_max: usize) -> Result<Self, WantedError> {
        let (len, rest) = read_number(bytes).ok_or(WantedError::Length)?;
        let (bits, rest) = rest.split_first().ok_or(WantedError::Length)?;
        let bits = u32::from(*bits);
        if bits > u64::BITS {
            return Err(WantedError::Range);
        }
        // Each takes at least a bit.
        if len > len_max as u64 || len > rest.len() as u64 * 8 {
            return Err(WantedError::TooMany);
        }
        let (low, mut reader) = (low_bits(bits, len), BitReader::new(rest));
        let mut prefixes: Vec<u64> = Vec::with_capacity(len as usize);
        for _ in 0..len {
            let gap = reader.rice(low).ok_or(WantedError::Length)?;
            let next = prefixes.last().map_or(Some(0), |last| last.checked_add(1));
            let prefix = next.and_then(|next| next.checked_add(gap)).ok_or(WantedError::Range)?;
            if prefix.checked_shr(bits).unwrap_or(0) != 0 {
                return Err(WantedError::Range);
            }
            prefixes.push(prefix);
        }
        if reader.is_finished() { Ok(Self { bits, prefixes }) } else { Err(WantedError::Length) }
    }
}

fn prefix(item: u64, bits: u32) -> u64 {
    item.checked_shr(u64::BITS - bits).unwrap_or(0)
}

/// The bits of a gap that are written as they are: with the mean gap's size it takes the fewest in all.
fn low_bits(bits: u32, len: u64) -> u32 {
    let mean = (1_u128 << bits) / u128::from(len.max(1));
    mean.max(1).ilog2().min(63)
}

fn write_number(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

/// A number of at most 35 bits, and what follows.
fn read_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let len = bytes.iter().take(5).position(|byte| *byte < 0x80)? + 1;
    let number = bytes[..len].iter().rev().fold(0, |number, byte| number << 7 | u64::from(byte & 0x7f));
    Some((number, &bytes[len..]))
}
