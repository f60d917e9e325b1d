//! What every store promises.

use bytes::Bytes;
use damson_core::persist::{Row, Table};
use damson_store::{Durability, LoadReport, ROW_KEY_BYTES_MAX, Store, StoreError};

use crate::disk::{Directory, Disk, Memory};
use crate::{load, removed, set};

/// Runs each test against each store.
macro_rules! for_each_store {
    ($($test:ident)*) => {
        mod memory { $(#[test] fn $test() { super::$test::<super::Memory>(); })* }
        mod fjall { $(#[test] fn $test() { super::$test::<super::Directory>(); })* }
    };
}

for_each_store! {
    a_new_store_is_empty
    rows_come_back_after_a_reopen
    a_removed_row_stays_removed
    the_last_row_of_a_key_in_a_batch_counts
    a_row_outside_its_limit_is_refused_with_its_batch
    a_damaged_row_is_reported_and_not_visited
    a_mark_is_seen_once
    a_mark_can_be_left_again
    a_damaged_mark_is_none_and_is_removed
    a_commit_removes_the_mark
    a_mark_outside_its_limit_is_refused
}

fn a_new_store_is_empty<D: Disk>() {
    let mut disk = D::new();
    let mut store = disk.open();
    assert_eq!(load(&mut store), (vec![], LoadReport::default()));
    assert_eq!(store.take_mark().unwrap(), None);
}

fn rows_come_back_after_a_reopen<D: Disk>() {
    let mut disk = D::new();
    let mut expected = Vec::new();
    for table in Table::ALL {
        // An empty value, zeros at the end, and a key that is a prefix of another.
        expected.extend([set(table, b"a", b""), set(table, b"ab", b"x\0\0"), set(table, [0], [7; 100_000])]);
    }
    let mut store = disk.open();
    store.commit(&expected[..6], Durability::Written).unwrap();
    store.commit(&expected[6..], Durability::Flushed).unwrap();
    store.commit(&[], Durability::Flushed).unwrap();
    disk.close(store);

    let (rows, report) = load(&mut disk.open());
    expected.sort_by(|a, b| (a.table, &a.key).cmp(&(b.table, &b.key)));
    assert_eq!(rows, expected);
    assert_eq!((report.damaged, report.journal_bytes_cut), (0, 0));
}

fn a_removed_row_stays_removed<D: Disk>() {
    let mut disk = D::new();
    let mut store = disk.open();
    store
        .commit(&[set(Table::Cells, b"a", b"1"), set(Table::Meta, b"a", b"2")], Durability::Written)
        .unwrap();
    store
        .commit(&[removed(Table::Cells, b"a"), removed(Table::Cells, b"never set")], Durability::Written)
        .unwrap();
    let expected = vec![set(Table::Meta, b"a", b"2")];
    assert_eq!(load(&mut store).0, expected);
    disk.close(store);
    assert_eq!(load(&mut disk.open()).0, expected);
}

fn the_last_row_of_a_key_in_a_batch_counts<D: Disk>() {
    let mut disk = D::new();
    let mut store = disk.open();
    let rows = [
        set(Table::Cells, b"kept", b"1"),
        set(Table::Cells, b"gone", b"1"),
        removed(Table::Cells, b"kept"),
        removed(Table::Cells, b"gone"),
        set(Table::Cells, b"kept", b"2"),
    ];
    store.commit(&rows, Durability::Written).unwrap();
    let expected = vec![set(Table::Cells, b"kept", b"2")];
    assert_eq!(load(&mut store).0, expected);
    disk.close(store);
    assert_eq!(load(&mut disk.open()).0, expected);
}

fn a_row_outside_its_limit_is_refused_with_its_batch<D: Disk>() {
    let mut disk = D::new();
    let mut store = disk.open();
    let fine = set(Table::Cells, [1; ROW_KEY_BYTES_MAX], b"value");
    for key in [vec![], vec![1; ROW_KEY_BYTES_MAX + 1]] {
        let rows: [Row; 2] = [fine.clone(), set(Table::Cells, key, b"value")];
        let error = store.commit(&rows, Durability::Written).unwrap_err();
        assert!(matches!(error, StoreError::Limit { .. }), "{error}");
    }
    assert_eq!(load(&mut store).0, vec![], "nothing of a refused batch is written");
    store.commit(std::slice::from_ref(&fine), Durability::Written).unwrap();
    assert_eq!(load(&mut store).0, vec![fine], "and the store goes on");
}

fn a_damaged_row_is_reported_and_not_visited<D: Disk>() {
    let mut disk = D::new();
    let mut store = disk.open();
    let rows = [b"a", b"b", b"c"].map(|key| set(Table::Contexts, key, b"value"));
    store.commit(&rows, Durability::Flushed).unwrap();
    disk.close(store);
    disk.damage_row(Table::Contexts, b"c");
    disk.damage_row(Table::Contexts, b"b");

    let (visited, report) = load(&mut disk.open());
    assert_eq!(visited, rows[..1]);
    assert_eq!(report.damaged, 2);
    assert_eq!(report.first_damaged, Some((Table::Contexts, Bytes::from_static(b"b"))));
}

fn a_mark_is_seen_once<D: Disk>() {
    let mut disk = D::new();
    let mut store = disk.open();
    store.leave_mark(b"actor").unwrap();
    disk.close(store);
    let mut store = disk.open();
    assert_eq!(store.take_mark().unwrap().as_deref(), Some(&b"actor"[..]));
    assert_eq!(store.take_mark().unwrap(), None);
    disk.close(store);
    assert_eq!(disk.open().take_mark().unwrap(), None);
}

fn a_mark_can_be_left_again<D: Disk>() {
    let mut disk = D::new();
    for mark in [&b"first"[..], b"second", b""] {
        let mut store = disk.open();
        store.take_mark().unwrap();
        store.commit(&[set(Table::Meta, b"key", mark)], Durability::Written).unwrap();
        store.leave_mark(b"replaced").unwrap();
        store.leave_mark(mark).unwrap();
        disk.close(store);
        let mut store = disk.open();
        assert_eq!(load(&mut store).0, [set(Table::Meta, b"key", mark)]);
        assert_eq!(store.take_mark().unwrap().as_deref(), Some(mark));
        disk.close(store);
    }
}

fn a_damaged_mark_is_none_and_is_removed<D: Disk>() {
    let mut disk = D::new();
    let mut store = disk.open();
    store.leave_mark(b"actor").unwrap();
    disk.close(store);
    disk.damage_mark();
    let mut store = disk.open();
    assert!(load(&mut store).1.mark_damaged);
    assert_eq!(store.take_mark().unwrap(), None);
    disk.close(store);
    assert!(!load(&mut disk.open()).1.mark_damaged);
}

fn a_commit_removes_the_mark<D: Disk>() {
    let mut disk = D::new();
    let mut store = disk.open();
    store.leave_mark(b"actor").unwrap();
    store.commit(&[set(Table::Meta, b"written", b"after")], Durability::Written).unwrap();
    disk.close(store);
    let mut store = disk.open();
    assert_eq!(store.take_mark().unwrap(), None);
}

fn a_mark_outside_its_limit_is_refused<D: Disk>() {
    let mut disk = D::new();
    let mut store = disk.open();
    let error = store.leave_mark(&vec![0; damson_store::MARK_BYTES_MAX + 1]).unwrap_err();
    assert!(matches!(error, StoreError::Limit { .. }), "{error}");
    store.leave_mark(b"actor").unwrap();
}

#[test]
fn a_failed_write_poisons_a_store_in_memory() {
    let mut disk = Memory::new();
    let mut store = disk.open();
    store.commit(&[set(Table::Meta, b"a", b"1")], Durability::Flushed).unwrap();
    store.fail_next(StoreError::AlreadyOwned { path: "/the/first/cause".into() });
    assert!(store.commit(&[set(Table::Meta, b"b", b"2")], Durability::Flushed).is_err());
    assert_poisoned(&mut store, "/the/first/cause");
    disk.close(store);
    assert_eq!(load(&mut disk.open()).0, [set(Table::Meta, b"a", b"1")]);
}

/// Every write is refused, for the reason that the first one failed.
pub fn assert_poisoned(store: &mut impl Store, first_cause: &str) {
    let refusals = [
        store.commit(&[set(Table::Meta, b"later", b"")], Durability::Written),
        store.flush(),
        store.leave_mark(b"actor"),
        store.take_mark().map(drop),
    ];
    for refusal in refusals {
        let error = refusal.unwrap_err();
        assert!(matches!(error, StoreError::Poisoned { .. }), "{error}");
        assert!(error.to_string().contains(first_cause), "{error}");
    }
}
