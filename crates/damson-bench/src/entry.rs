//! Keys of 16 bytes and values of 64, as text, which every peer takes.
//!
//! Values are letters in no order, six bits in each: a peer that compresses gets no more out of them than the quarter that
//! text in ASCII has to spare.

use xxhash_rust::xxh3::xxh3_128_with_seed;

pub const KEY_BYTES: usize = 16;
pub const VALUE_BYTES: usize = 64;

const LETTERS: &[u8; 64] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_";
/// Letters out of one hash.
const OF_A_HASH: usize = 16;

/// The key with this number. Keys are in no order.
pub fn key(n: u64) -> String {
    letters(n, 0, KEY_BYTES)
}

/// The value with this number, of so many bytes.
pub fn value(n: u64, bytes: usize) -> String {
    letters(n, 1, bytes)
}

/// A key and its value.
pub fn entry(n: u64) -> (String, String) {
    (key(n), value(n, VALUE_BYTES))
}

fn letters(n: u64, seed: u64, count: usize) -> String {
    let hashes = (seed << 32..).map(|seed| xxh3_128_with_seed(&n.to_le_bytes(), seed));
    let letters =
        hashes.flat_map(|hash| (0..OF_A_HASH).map(move |at| (hash >> (6 * at)) as usize % LETTERS.len()));
    letters.take(count).map(|at| char::from(LETTERS[at])).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn entries_have_their_lengths_and_differ() {
        let all: BTreeSet<String> = (0..1_000).flat_map(|n| [key(n), value(n, VALUE_BYTES)]).collect();
        assert_eq!(all.len(), 2_000);
        assert_eq!(all.iter().map(String::len).sum::<usize>(), 1_000 * (KEY_BYTES + VALUE_BYTES));
        assert_eq!(entry(7), entry(7));
    }
}
