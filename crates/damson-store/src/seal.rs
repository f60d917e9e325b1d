//! The checksum that each row carries.
//!
//! The database has checksums of its own, but they cover blocks of files. This one covers the meaning: a value that
//! turns up under another key or in another table is damage as well.

use damson_core::persist::Table;
use xxhash_rust::xxh3::Xxh3;

/// Length of a seal, in bytes.
pub(crate) const SEAL_BYTES: usize = 8;

/// The checksum of a row: table number, length of the key (4 bytes, little-endian), key, value.
pub(crate) fn checksum(table: Table, key: &[u8], value: &[u8]) -> u64 {
    let mut hasher = Xxh3::new();
    hasher.update(&[table as u8]);
    // Without the length, a byte could move from the end of the key to the start of the value unseen.
    hasher.update(&(key.len() as u32).to_le_bytes());
    hasher.update(key);
    hasher.update(value);
    hasher.digest()
}

/// The value as stored: its checksum (little-endian), then the value.
pub(crate) fn seal(table: Table, key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::with_capacity(SEAL_BYTES + value.len());
    sealed.extend_from_slice(&checksum(table, key, value).to_le_bytes());
    sealed.extend_from_slice(value);
    sealed
}

/// The value of a stored row, or `None` if it is damaged.
pub(crate) fn unseal<'a>(table: Table, key: &[u8], sealed: &'a [u8]) -> Option<&'a [u8]> {
    let (seal, value) = sealed.split_first_chunk::<SEAL_BYTES>()?;
    (u64::from_le_bytes(*seal) == checksum(table, key, value)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_value_is_read_back() {
        for value in [&b""[..], b"v", &[7; 1000]] {
            let sealed = seal(Table::Cells, b"key", value);
            assert_eq!(unseal(Table::Cells, b"key", &sealed), Some(value));
        }
    }

    #[test]
    fn any_flipped_bit_and_any_truncation_is_damage() {
        let sealed = seal(Table::Cells, b"key", b"value");
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(unseal(Table::Cells, b"key", &flipped), None, "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert_eq!(unseal(Table::Cells, b"key", &sealed[..length]), None, "{length} bytes");
        }
    }

    #[test]
    fn a_value_under_another_key_or_in_another_table_is_damage() {
        let sealed = seal(Table::Cells, b"key", b"value");
        assert_eq!(unseal(Table::Meta, b"key", &sealed), None);
        assert_eq!(unseal(Table::Cells, b"kez", &sealed), None);
        assert_ne!(checksum(Table::Cells, b"ab", b"c"), checksum(Table::Cells, b"a", b"bc"));
    }

    #[test]
    fn the_checksum_is_part_of_the_disk_format() {
        assert_eq!(checksum(Table::Removals, b"key", b"value"), 1_936_516_028_391_280_451);
    }
}
