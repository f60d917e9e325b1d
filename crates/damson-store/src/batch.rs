//! From the rows of many groups to one write for each key.

use std::collections::BTreeMap;

use bytes::Bytes;
use damson_core::persist::{Row, Table};

use crate::StoreError;

/// The longest key of a row, in bytes: what the database takes. The shortest is one byte.
pub const ROW_KEY_BYTES_MAX: usize = u16::MAX as usize;

/// The longest value of a row, in bytes. Above anything that one cell may hold, and well below the 4 GiB where lengths
/// in the journal would wrap.
pub const ROW_VALUE_BYTES_MAX: usize = 1 << 30;

/// The last write to each key; `None` removes.
pub(crate) type Writes<'a> = BTreeMap<(Table, &'a [u8]), Option<&'a [u8]>>;

/// Refuses rows outside their limits.
pub(crate) fn check(rows: &[Row]) -> Result<(), StoreError> {
    for row in rows {
        check_limit("row key", row.key.len(), 1, ROW_KEY_BYTES_MAX)?;
        check_limit("row value", row.value.as_ref().map_or(0, Bytes::len), 0, ROW_VALUE_BYTES_MAX)?;
    }
    Ok(())
}

/// Keeps the last row of each key.
///
/// All writes of a batch have one sequence number in the database, which does not promise which of two to one key wins.
/// And a row that changes in many groups of one commit is written once.
pub(crate) fn last_writes(rows: &[Row]) -> Writes<'_> {
    rows.iter().map(|row| ((row.table, &row.key[..]), row.value.as_deref())).collect()
}

/// Refuses a size outside its limits.
pub(crate) fn check_limit(
    what: &'static str,
    bytes: usize,
    bytes_min: usize,
    bytes_max: usize,
) -> Result<(), StoreError> {
    if (bytes_min..=bytes_max).contains(&bytes) {
        Ok(())
    } else {
        Err(StoreError::Limit { what, bytes, bytes_min, bytes_max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: &[u8], value: Option<&[u8]>) -> Row {
        Row {
            table: Table::Cells,
            key: Bytes::copy_from_slice(key),
            value: value.map(Bytes::copy_from_slice),
        }
    }

    #[test]
    fn the_last_row_of_a_key_counts() {
        let rows = [row(b"a", Some(b"1")), row(b"b", None), row(b"a", None), row(b"b", Some(b"2"))];
        let writes = last_writes(&rows);
        assert_eq!(writes[&(Table::Cells, &b"a"[..])], None);
        assert_eq!(writes[&(Table::Cells, &b"b"[..])], Some(&b"2"[..]));
    }

    #[test]
    fn a_key_is_never_empty_and_never_too_long() {
        assert!(check(&[row(&[1; ROW_KEY_BYTES_MAX], None)]).is_ok());
        let error = check(&[row(&[1; ROW_KEY_BYTES_MAX + 1], None)]).unwrap_err().to_string();
        assert_eq!(error, "a row key of 65536 bytes is outside the limit of 1 to 65535 bytes");
        assert!(check(&[row(b"", Some(b"value"))]).is_err());
    }
}
