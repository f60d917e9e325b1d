//! What every store promises of its snapshots.

use std::ops::ControlFlow;

use bytes::Bytes;
use damson_core::persist::{Row, Table};
use damson_store::{DataDir, Durability, Position, Snapshot, Store, StoreError};

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
    a_snapshot_shows_what_was_committed_before_it_and_nothing_after
    a_snapshot_is_read_in_parts_and_each_part_again
    a_snapshot_ends_at_a_damaged_row_and_names_it
}

/// At most so many rows behind a position.
fn read(snapshot: &dyn Snapshot, after: Option<Position<'_>>, rows_max: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let visit = &mut |table, key: &[u8], value: &[u8]| {
        rows.push(set(table, key, value));
        if rows.len() < rows_max { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    snapshot.rows(after, visit).unwrap();
    rows
}

fn one_of_each_table() -> Vec<Row> {
    Table::ALL.into_iter().flat_map(|table| [b"a", b"b", b"c"].map(|key| set(table, key, b"1"))).collect()
}

fn a_snapshot_shows_what_was_committed_before_it_and_nothing_after<D: Disk>() {
    let mut disk = D::new();
    let mut store = disk.open();
    let before = one_of_each_table();
    store.commit(&before, Durability::Written).unwrap();
    let snapshot = store.snapshot().unwrap();
    let after = [
        set(Table::Cells, b"a", b"2"),
        removed(Table::Contexts, b"b"),
        set(Table::Removals, b"new", b""),
        removed(Table::Meta, b"c"),
    ];
    store.commit(&after, Durability::Flushed).unwrap();
    // Enough to have tables written to files and merged meanwhile.
    for n in 0..40_u8 {
        let rows = [set(Table::Cells, b"a", vec![n; 1 << 20])];
        store.commit(&rows, Durability::Written).unwrap();
    }
    assert_eq!(read(&*snapshot, None, usize::MAX), before);
    assert_eq!(load(&mut store).0.len(), before.len() - 1);
    disk.close(store);
    assert_eq!(read(&*snapshot, None, usize::MAX), before, "after the store is closed, too");
}

fn a_snapshot_is_read_in_parts_and_each_part_again<D: Disk>() {
    let mut disk = D::new();
    let mut store = disk.open();
    let all = one_of_each_table();
    store.commit(&all, Durability::Written).unwrap();
    let snapshot = store.snapshot().unwrap();
    for rows_max in 1..=all.len() + 1 {
        let mut got: Vec<Row> = Vec::new();
        loop {
            let last = got.last().map(|row| (row.table, row.key.clone()));
            let after = last.as_ref().map(|(table, key)| (*table, &key[..]));
            let part = read(&*snapshot, after, rows_max);
            assert_eq!(part, read(&*snapshot, after, rows_max));
            if part.is_empty() {
                break;
            }
            got.extend(part);
        }
        assert_eq!(got, all, "in parts of {rows_max}");
    }
}

fn a_snapshot_ends_at_a_damaged_row_and_names_it<D: Disk>() {
    let mut disk = D::new();
    let mut store = disk.open();
    store.commit(&one_of_each_table(), Durability::Flushed).unwrap();
    disk.close(store);
    disk.damage_row(Table::Contexts, b"b");
    let snapshot = disk.open().snapshot().unwrap();
    let mut seen = 0;
    let error = snapshot
        .rows(None, &mut |_, _, _| {
            seen += 1;
            ControlFlow::Continue(())
        })
        .unwrap_err();
    assert_eq!(seen, 4, "the rows before it are visited");
    let StoreError::DamagedRow { table, key } = error else { panic!("{error}") };
    assert_eq!((table, key), (Table::Contexts, Bytes::from_static(b"b")));
}

#[test]
fn a_poisoned_store_gives_no_snapshot() {
    let mut store = Memory::new().open();
    store.fail_next(StoreError::AlreadyOwned { path: "/the/first/cause".into() });
    assert!(store.flush().is_err());
    assert!(matches!(store.snapshot(), Err(StoreError::Poisoned { .. })));
}

#[test]
fn a_snapshot_keeps_the_directory_owned() {
    let mut disk = Directory::new();
    let mut store = disk.open();
    let snapshot = store.snapshot().unwrap();
    disk.close(store);
    assert!(matches!(DataDir::open(disk.path()), Err(StoreError::AlreadyOwned { .. })));
    drop(snapshot);
    disk.open();
}

#[test]
fn a_store_that_has_to_open_its_database_again_does_so_beside_a_snapshot_which_ends() {
    let mut disk = Directory::new();
    let mut store = disk.open();
    store.commit(&one_of_each_table(), Durability::Flushed).unwrap();
    let (old, reader) = (store.snapshot().unwrap(), store.snapshot().unwrap());
    store.reopen().unwrap();
    for snapshot in [old, reader] {
        let ended = snapshot.rows(None, &mut |_, _, _| ControlFlow::Continue(())).unwrap_err();
        assert!(matches!(ended, StoreError::SnapshotEnded { .. }), "{ended}");
    }
    let fresh = store.snapshot().unwrap();
    assert_eq!(read(&*fresh, None, usize::MAX), one_of_each_table());
}
