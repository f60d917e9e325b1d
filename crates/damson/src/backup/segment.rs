//! A part of the rows, as a file.
//!
//! ```text
//! damson-rows 1\n                 name and version
//! for each row, in their order:
//!   1 byte                        the table's number
//!   4 bytes                       length of the key, big-endian
//!   4 bytes                       length of the value
//!   key, value
//! ```

use bytes::Bytes;
use damson_core::persist::Table;
use damson_store::{ROW_KEY_BYTES_MAX, ROW_VALUE_BYTES_MAX};

/// How long a segment gets, in bytes: small enough to be held in memory and to lose little when a transfer is cut, large
/// enough that files and requests cost nothing. Only one with a single, longer row is longer.
pub const SEGMENT_BYTES: usize = 8 << 20;

/// How long a segment can be, in bytes.
pub const SEGMENT_BYTES_MAX: usize = HEADER.len() + ROW_HEAD_BYTES + ROW_KEY_BYTES_MAX + ROW_VALUE_BYTES_MAX;

const HEADER: &[u8] = b"damson-rows 1\n";
const ROW_HEAD_BYTES: usize = 9;

/// Rows that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// As they are written to a file.
    pub bytes: Bytes,
    /// How many they are.
    pub rows: u64,
    /// Nothing follows.
    pub is_last: bool,
}

impl Segment {
    /// BLAKE3 of the bytes, hexadecimal.
    #[must_use]
    pub fn checksum(&self) -> String {
        blake3::hash(&self.bytes).to_hex().to_string()
    }
}

/// Puts a segment together.
pub(super) struct Filling {
    bytes: Vec<u8>,
    pub rows: u64,
}

impl Filling {
    pub fn new() -> Self {
        Self { bytes: HEADER.to_vec(), rows: 0 }
    }

    /// Adds a row, unless the segment is long enough without it.
    pub fn add(&mut self, table: Table, key: &[u8], value: &[u8]) -> bool {
        let longer = self.bytes.len() + ROW_HEAD_BYTES + key.len() + value.len();
        if self.rows > 0 && longer > SEGMENT_BYTES {
            return false;
        }
        let length = |part: &[u8]| u32::try_from(part.len()).expect("stores bound their rows").to_be_bytes();
        self.bytes.push(table as u8);
        self.bytes.extend_from_slice(&length(key));
        self.bytes.extend_from_slice(&length(value));
        self.bytes.extend_from_slice(key);
        self.bytes.extend_from_slice(value);
        self.rows += 1;
        true
    }

    pub fn finish(self, is_last: bool) -> Segment {
        Segment { bytes: self.bytes.into(), rows: self.rows, is_last }
    }
}

/// A row as it lies in a segment.
pub(super) type RowRef<'a> = (Table, &'a [u8], &'a [u8]);

/// The rows of a segment, or what is wrong with it.
pub(super) fn rows(segment: &[u8]) -> Result<Vec<RowRef<'_>>, &'static str> {
    let mut rest = segment.strip_prefix(HEADER).ok_or("it does not begin as rows of format 1 do")?;
    let mut rows = Vec::new();
    while !rest.is_empty() {
        let (row, behind) = split_row(rest).ok_or("a row is cut short, or of no table")?;
        rows.push(row);
        rest = behind;
    }
    Ok(rows)
}

fn split_row(bytes: &[u8]) -> Option<(RowRef<'_>, &[u8])> {
    let (table, rest) = bytes.split_first()?;
    let table = Table::ALL.into_iter().find(|known| *known as u8 == *table)?;
    let (key_len, rest) = split_length(rest)?;
    let (value_len, rest) = split_length(rest)?;
    let (key, rest) = rest.split_at_checked(key_len)?;
    let (value, rest) = rest.split_at_checked(value_len)?;
    Some(((table, key, value), rest))
}

fn split_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    Some((usize::try_from(u32::from_be_bytes(*length)).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Segment {
        let mut filling = Filling::new();
        assert!(filling.add(Table::Cells, b"a", b""));
        assert!(filling.add(Table::Removals, b"key", b"value"));
        filling.finish(true)
    }

    #[test]
    fn rows_are_read_back() {
        let segment = filled();
        assert_eq!(segment.rows, 2);
        let expected: [RowRef<'_>; 2] = [(Table::Cells, b"a", b""), (Table::Removals, b"key", b"value")];
        assert_eq!(rows(&segment.bytes).unwrap(), expected);
        assert_eq!(rows(&Filling::new().finish(true).bytes).unwrap(), []);
    }

    #[test]
    fn what_is_cut_short_is_no_segment() {
        let segment = filled().bytes;
        // Behind the header and behind the first row a cut leaves rows that are whole: checksums tell those.
        let whole = [HEADER.len(), HEADER.len() + ROW_HEAD_BYTES + 1, segment.len()];
        for length in (0..segment.len()).filter(|length| !whole.contains(length)) {
            assert!(rows(&segment[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_segment_ends_before_it_is_too_long_and_takes_any_single_row() {
        let mut filling = Filling::new();
        assert!(filling.add(Table::Cells, b"a", &vec![0; SEGMENT_BYTES]));
        assert!(!filling.add(Table::Cells, b"b", b""));
        let mut filling = Filling::new();
        assert!(filling.add(Table::Cells, b"a", b""));
        assert!(!filling.add(Table::Cells, b"b", &vec![0; SEGMENT_BYTES]));
        assert_eq!(filling.rows, 1);
    }
}
