//! Keys of 16 bytes and values of 64.

use xxhash_rust::xxh3::xxh3_128;

const KEY_BYTES: usize = 16;
const VALUE_BYTES: usize = 64;

pub type KeyBytes = [u8; KEY_BYTES];
pub type ValueBytes = [u8; VALUE_BYTES];

/// The key with this number. Keys are in no order.
pub fn key(n: u64) -> KeyBytes {
    xxh3_128(&n.to_le_bytes()).to_be_bytes()
}

/// A value with this number.
pub fn value(n: usize) -> ValueBytes {
    let mut out = [0x5a; VALUE_BYTES];
    out[..8].copy_from_slice(&n.to_le_bytes());
    out
}
