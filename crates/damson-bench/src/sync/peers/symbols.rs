//! riblt: coded symbols, sent until what differs can be decoded.

use anyhow::{Context, ensure};
use riblt::{CodedSymbol, RatelessIBLT, Symbol, UnmanagedRatelessIBLT};
use xxhash_rust::xxh3::xxh3_64;

use super::sides::Sides;
use crate::sync::difference::Said;

/// A symbol, its hash and its count, eight bytes each.
const SYMBOL_BYTES: u64 = 24;
/// For each item that it finds its decoder looks through all symbols.
const DIFF_MAX: u32 = 5_000;

/// A name of 64 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Name(u64);

impl Symbol for Name {
    const BYTE_ARRAY_LENGTH: usize = 8;

    fn encode_to_bytes(&self) -> Vec<u8> {
        self.0.to_le_bytes().to_vec()
    }

    fn decode_from_bytes(bytes: &Vec<u8>) -> Self {
        Self(bytes.first_chunk().copied().map_or(0, u64::from_le_bytes))
    }

    fn hash_(&self) -> u64 {
        xxh3_64(&self.0.to_le_bytes())
    }
}

/// The median of so many runs; why there is none, where the difference is too large for its decoder.
pub fn symbols(keys: u32, diff: u32, runs: usize) -> anyhow::Result<Result<Said, String>> {
    if diff > DIFF_MAX {
        return Ok(Err(format!("its decoder takes too long for more than {DIFF_MAX} differences")));
    }
    let all = (0..runs).map(|run| once(&Sides::new(keys, diff, run), diff));
    let mut all = all.collect::<anyhow::Result<Vec<u64>>>()?;
    all.sort_unstable();
    let symbols = all.get(runs / 2).context("no runs")?;
    // The one side sends, without being asked for more.
    Ok(Ok(Said { bytes: symbols * SYMBOL_BYTES, round_trips: 0.5 }))
}

/// The least number of symbols that can be decoded.
fn once(sides: &Sides, diff: u32) -> anyhow::Result<u64> {
    let names = |numbers: &mut dyn Iterator<Item = u64>| -> Vec<Name> {
        numbers.map(|n| Name(xxh3_64(&n.to_le_bytes()))).collect()
    };
    let mut one = RatelessIBLT::new(names(&mut sides.of_one()));
    let mut other = RatelessIBLT::new(names(&mut sides.of_other()));
    // Much more than is ever needed.
    let most = 16 + 4 * usize::try_from(diff)?;
    one.extend_coded_symbols(most);
    other.extend_coded_symbols(most);
    let pairs = one.coded_symbols.iter().zip(&other.coded_symbols).take(most);
    let differing: Vec<CodedSymbol<Name>> = pairs.map(|(a, b)| a.collapse(b)).collect();
    let found = decoded(&differing, most);
    ensure!(found == Some(usize::try_from(diff)?), "riblt did not find what differs: {found:?} items");
    let sizes: Vec<usize> = (1..=most).collect();
    let least = sizes.partition_point(|size| decoded(&differing, *size).is_none());
    Ok(sizes[least] as u64)
}

/// How many items the first symbols tell of, if they can be decoded.
fn decoded(differing: &[CodedSymbol<Name>], size: usize) -> Option<usize> {
    let mut symbols = UnmanagedRatelessIBLT { coded_symbols: differing[..size].to_vec() };
    let items = symbols.peel_all_symbols();
    symbols.is_empty().then_some(items.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_decoded_from_somewhat_more_symbols() {
        let said = symbols(3_000, 100, 3).unwrap().unwrap();
        assert!((100 * SYMBOL_BYTES..250 * SYMBOL_BYTES).contains(&said.bytes), "{said:?}");
        assert!(symbols(100_000, DIFF_MAX + 1, 1).unwrap().unwrap_err().contains("5000"));
    }
}
