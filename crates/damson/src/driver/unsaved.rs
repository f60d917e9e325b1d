//! Rows of which it is not certain that they are on disk.

use std::collections::BTreeMap;

use bytes::Bytes;
use damson_core::persist::{Row, Table};

/// Rows committed since the last flush, in their order; after a failure the last of each key.
///
/// A failed write leaves open what is on disk, and a failed flush may have lost what was written before it. Rows say what
/// is, not what has changed, so all of them can be written once more.
#[derive(Debug, Default)]
pub(super) struct Unsaved {
    rows: Vec<Row>,
    bytes: u64,
    /// So many are left when those of one key count once; twice as many are folded again.
    folded: usize,
}

impl Unsaved {
    /// Takes rows that are written, or that could not be.
    pub fn add(&mut self, rows: Vec<Row>, bytes: u64) {
        self.rows.extend(rows);
        self.bytes += bytes;
    }

    /// The same while nothing can be written: what waits must not grow with each write to a key. Keys of removals are used once,
    /// so that it grows all the same, and whoever adds has to look at its size.
    pub fn add_folding(&mut self, rows: Vec<Row>, bytes: u64) {
        self.add(rows, bytes);
        if self.rows.len() > FOLD_ROWS_MIN.max(2 * self.folded) {
            let last: BTreeMap<(Table, Bytes), Option<Bytes>> =
                self.rows.drain(..).map(|row| ((row.table, row.key), row.value)).collect();
            self.rows = last.into_iter().map(|((table, key), value)| Row { table, key, value }).collect();
            self.folded = self.rows.len();
            self.bytes = self.rows.iter().map(bytes_of).sum();
        }
    }

    /// All of them, as they were written.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Their size, that of those that were not folded yet included.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// They are on disk.
    pub fn saved(&mut self) {
        *self = Self::default();
    }
}

const FOLD_ROWS_MIN: usize = 65_536;

/// About what a row takes in memory.
pub(super) fn bytes_of(row: &Row) -> u64 {
    (row.key.len() + row.value.as_ref().map_or(0, Bytes::len)) as u64 + 64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(key: usize, value: Option<&'static str>) -> Row {
        let key = Bytes::copy_from_slice(&key.to_be_bytes());
        Row { table: Table::Cells, key, value: value.map(|value| Bytes::from_static(value.as_bytes())) }
    }

    #[test]
    fn what_waits_for_a_full_disk_does_not_grow_with_the_number_of_writes() {
        let mut unsaved = Unsaved::default();
        for n in 0..1_000 {
            unsaved.add_folding((0..1_000).map(|key| row(key, Some("before"))).collect(), 1);
            let value = (n % 2 == 0).then_some("after");
            unsaved.add_folding(vec![row(7, value)], 1);
        }
        assert!(unsaved.rows().len() <= 2 * FOLD_ROWS_MIN, "{}", unsaved.rows().len());
        let last = unsaved.rows().iter().rfind(|row| row.key == 7_usize.to_be_bytes()[..]).unwrap();
        assert_eq!(last.value, None, "the last one of a key counts");
        unsaved.saved();
        assert!(unsaved.rows().is_empty() && unsaved.bytes() == 0);
    }
}
