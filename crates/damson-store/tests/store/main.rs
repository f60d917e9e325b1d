//! Both stores against one contract, and the disk store against damage and crashes.

mod contract;
mod crash;
mod damage;
mod disk;
mod snapshots;

use bytes::Bytes;
use damson_core::persist::{Row, Table};
use damson_store::{LoadReport, Store};

/// A row that is set.
fn set(table: Table, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Row {
    Row {
        table,
        key: Bytes::copy_from_slice(key.as_ref()),
        value: Some(Bytes::copy_from_slice(value.as_ref())),
    }
}

/// A row that is removed.
fn removed(table: Table, key: impl AsRef<[u8]>) -> Row {
    Row { value: None, ..set(table, key, b"") }
}

/// All rows, as they would have to be set, and the report.
fn load(store: &mut impl Store) -> (Vec<Row>, LoadReport) {
    let mut rows = Vec::new();
    let report = store.load(&mut |table, key, value| rows.push(set(table, key, value))).unwrap();
    assert_eq!(report.rows, rows.len() as u64);
    (rows, report)
}
