//! The disk store on a disk that loses or changes bytes.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use damson_core::persist::{Row, Table};
use damson_store::{DataDir, Durability, FjallStore, LoadReport, Store, StoreError};

use crate::disk::{Directory, Disk};
use crate::{load, set};

/// Each flipped byte costs an open; this many for each file are tried, at even distances.
const FLIPS_PER_FILE: usize = 60;

/// In every journal and table file. The lists of tables are left out: they are small and rarely written, but in a few
/// of their bytes the database notices nothing, or ends the process.
#[test]
fn a_flipped_byte_is_never_a_wrong_row_and_never_a_silent_loss() {
    let mut disk = Directory::new();
    let rows = rows_in_tables_and_journal(&mut disk);
    for file in row_files(&disk.rows()) {
        let length = fs::metadata(&file).unwrap().len() as usize;
        for at in (0..length).step_by((length / FLIPS_PER_FILE).max(1)) {
            let copy = Directory::new();
            copy_folder(&disk.path(), &copy.path());
            flip(&copy.path().join(file.strip_prefix(disk.path()).unwrap()), at);
            let place = format!("byte {at} of {}", file.display());
            assert_loss_is_reported(&rows, open_and_load(&copy.path()), &place);
        }
    }
}

/// A database refused, or all rows that are visited are right and none is missing without a report.
fn assert_loss_is_reported(rows: &[Row], outcome: Result<(Vec<Row>, LoadReport), StoreError>, place: &str) {
    match outcome {
        Ok((visited, report)) => {
            assert!(visited.iter().all(|row| rows.contains(row)), "a wrong row: {place}");
            let reported = report.damaged + report.journal_bytes_cut > 0;
            assert!(visited.len() == rows.len() || reported, "a silent loss: {place}");
        }
        Err(error) => assert!(matches!(error, StoreError::Damaged { .. }), "{error}: {place}"),
    }
}

#[test]
fn what_lies_before_and_behind_a_damaged_part_can_still_be_read() {
    let mut disk = Directory::new();
    let rows: Vec<_> = (0..2_000_u16).map(|n| set(Table::Cells, n.to_be_bytes(), [n as u8; 100])).collect();
    let mut store = disk.open();
    store.commit(&rows, Durability::Flushed).unwrap();
    disk.close(store);
    let raw = disk.raw();
    for name in raw.list_keyspace_names() {
        raw.keyspace(&name, Default::default).unwrap().rotate_memtable_and_wait().unwrap();
    }
    drop(raw);
    let tables = row_files(&disk.rows());
    let largest = tables.iter().filter(|path| path.parent().unwrap().ends_with("tables"));
    let largest = largest.max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    flip(largest, fs::metadata(largest).unwrap().len() as usize / 2);
    let mut store = disk.open();
    let mut seen = Vec::new();
    let error = store.load(&mut |table, key, value| seen.push(set(table, key, value))).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(seen.iter().all(|row| rows.contains(row)));
    let mut keys: Vec<_> = seen.iter().map(|row| row.key.clone()).collect();
    keys.sort();
    keys.dedup();
    assert_eq!(keys.len(), seen.len(), "each once");
    assert!((1_500..2_000).contains(&seen.len()), "{} of 2,000 rows are left", seen.len());
}

#[test]
fn a_torn_journal_keeps_the_batches_before_the_tear() {
    let mut disk = Directory::new();
    let mut store = disk.open();
    for key in [b"a", b"b", b"c"] {
        store.commit(&[set(Table::Cells, key, b"value")], Durability::Flushed).unwrap();
    }
    disk.close(store);
    // The first replay cuts off preallocated space, which is no loss.
    let mut store = disk.open();
    assert_eq!(load(&mut store).1.journal_bytes_cut, 0);
    disk.close(store);

    let journal = disk.rows().join("0.jnl");
    let length = fs::metadata(&journal).unwrap().len();
    File::options().write(true).open(&journal).unwrap().set_len(length - 1).unwrap();
    let mut store = disk.open();
    let (rows, report) = load(&mut store);
    assert_eq!(rows, [b"a", b"b"].map(|key| set(Table::Cells, key, b"value")));
    assert!(report.journal_bytes_cut > 0);
    disk.close(store);
    assert_eq!(load(&mut disk.open()).1.journal_bytes_cut, 0, "a cut is reported once");
}

/// Pages reach a disk in any order: the end of the last batch is there, and a page in its middle is not.
#[test]
fn a_batch_whose_pages_did_not_all_reach_the_disk_is_cut_and_those_before_it_are_kept() {
    let mut disk = Directory::new();
    let kept = [set(Table::Cells, b"kept", b"1")];
    let large = [set(Table::Cells, b"large", [7; 60_000])];
    commit_each(&mut disk, &kept);
    commit_each(&mut disk, &large);
    let journal = disk.rows().join("0.jnl");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[8_192..12_288].fill(0);
    fs::write(&journal, bytes).unwrap();
    let mut store = disk.open();
    let (rows, report) = load(&mut store);
    assert_eq!(rows, kept);
    assert!(report.journal_bytes_cut >= 60_000, "{report:?}");
    store.commit(&large, Durability::Flushed).unwrap();
    disk.close(store);
    assert_eq!(load(&mut disk.open()).0.len(), 2, "it is written on behind the cut");
}

#[test]
fn a_damaged_database_is_set_aside_with_its_mark_and_a_new_one_begins_empty() {
    let mut disk = Directory::new();
    let mut store = disk.open();
    store.commit(&[set(Table::Cells, b"key", b"value")], Durability::Flushed).unwrap();
    store.leave_mark(b"actor").unwrap();
    disk.close(store);
    fs::write(disk.rows().join("version"), b"nonsense").unwrap();

    let dir = DataDir::open(disk.path()).unwrap();
    let error = FjallStore::open(&dir).unwrap_err();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(error.to_string().contains(disk.path().to_str().unwrap()), "{error}");
    let aside = dir.set_aside().unwrap();
    assert!(aside.join("clean-stop").exists() && aside.join("rows/0.jnl").exists());

    let mut store = FjallStore::open(&dir).unwrap();
    assert_eq!(load(&mut store), (vec![], LoadReport::default()));
    assert_eq!(store.take_mark().unwrap(), None, "a mark never speaks for other rows");
}

#[test]
fn a_database_takes_the_place_of_a_damaged_one_whenever_the_process_is_killed() {
    let mut disk = Directory::new();
    let row = |value: &[u8]| set(Table::Cells, b"key", value);
    let mut store = disk.open();
    store.commit(&[row(b"damaged")], Durability::Flushed).unwrap();
    disk.close(store);
    let path = |name: &str| disk.path().join(name);
    let dir = DataDir::open(disk.path()).unwrap();
    let held = |dir: &DataDir| load(&mut FjallStore::open(dir).unwrap()).0;

    let many: Vec<Row> = (0..10_000_u32).map(|n| set(Table::Removals, n.to_be_bytes(), b"r")).collect();
    let rows = [&many[..], &[row(b"left")]].concat();
    let (mut store, aside) = FjallStore::replace(&dir, &rows).unwrap();
    assert_eq!((load(&mut store).0.len(), aside), (10_001, path("damaged-1")));
    drop(store);
    assert_eq!(held(&dir).len(), 10_001);

    // Killed when the new one was not finished yet: it is as if nothing had begun.
    copy_folder(&path("damaged-1"), &path("database.next"));
    assert_eq!(held(&dir).len(), 10_001);
    assert!(!path("database.next").exists());

    // Killed between the two moves: the new one is the database.
    fs::rename(path("database"), path("damaged-2")).unwrap();
    copy_folder(&path("damaged-2"), &path("database.next"));
    assert_eq!(held(&dir).len(), 10_001);
    assert!(path("database").exists() && !path("database.next").exists());
}

#[test]
fn a_missing_part_is_damage_and_not_an_empty_database() {
    for part in ["", "version", "keyspaces/1", "keyspaces/0/current"] {
        let mut disk = Directory::new();
        let store = disk.open();
        disk.close(store);
        let path = disk.rows().join(part);
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        let outcome = open_and_load(&disk.path());
        assert!(matches!(outcome, Err(StoreError::Damaged { .. })), "{part}: {outcome:?}");
    }
}

#[test]
fn a_creation_that_was_cut_short_is_begun_again() {
    let mut disk = Directory::new();
    fs::create_dir_all(disk.path().join("database.new/rows")).unwrap();
    fs::write(disk.path().join("database.new/rows/0.jnl"), b"").unwrap();
    let mut store = disk.open();
    assert_eq!(load(&mut store).0, []);
    assert!(!disk.path().join("database.new").exists());
}

#[test]
fn an_open_database_is_neither_opened_again_nor_set_aside() {
    let disk = Directory::new();
    let dir = DataDir::open(disk.path()).unwrap();
    let store = FjallStore::open(&dir).unwrap();
    assert!(matches!(FjallStore::open(&dir), Err(StoreError::InUse { .. })));
    assert!(matches!(dir.set_aside(), Err(StoreError::InUse { .. })));
    drop(dir);
    assert!(
        matches!(DataDir::open(disk.path()), Err(StoreError::AlreadyOwned { .. })),
        "the store owns it too"
    );
    drop(store);
    DataDir::open(disk.path()).unwrap();
}

/// Half of the rows are in table files, the other half in the journal.
fn rows_in_tables_and_journal(disk: &mut Directory) -> Vec<Row> {
    let rows: Vec<_> = (0..20_u8).map(|n| set(Table::ALL[n as usize % 4], [n], [n; 40])).collect();
    commit_each(disk, &rows[..10]);
    let raw = disk.raw();
    for name in raw.list_keyspace_names() {
        raw.keyspace(&name, Default::default).unwrap().rotate_memtable_and_wait().unwrap();
    }
    drop(raw);
    commit_each(disk, &rows[10..]);
    let mut store = disk.open();
    assert_eq!(load(&mut store).0.len(), rows.len());
    disk.close(store);
    rows
}

fn commit_each(disk: &mut Directory, rows: &[Row]) {
    let mut store = disk.open();
    for row in rows {
        store.commit(std::slice::from_ref(row), Durability::Flushed).unwrap();
    }
    disk.close(store);
}

fn open_and_load(path: &Path) -> Result<(Vec<Row>, LoadReport), StoreError> {
    let mut store = FjallStore::open(&DataDir::open(path)?)?;
    let mut rows = Vec::new();
    let report = store.load(&mut |table, key, value| rows.push(set(table, key, value)))?;
    Ok((rows, report))
}

/// Journals, and the table files of all keyspaces.
fn row_files(rows: &Path) -> Vec<PathBuf> {
    let holds_rows = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "jnl")
            || path.parent().unwrap().ends_with("tables")
    };
    files(rows).into_iter().filter(holds_rows).collect()
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let (folders, mut files): (Vec<_>, Vec<_>) =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).partition(|path| path.is_dir());
    files.extend(folders.iter().flat_map(|folder| self::files(folder)));
    files.sort();
    files
}

fn copy_folder(from: &Path, to: &Path) {
    for file in files(from) {
        let copy = to.join(file.strip_prefix(from).unwrap());
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(&file, copy).unwrap();
    }
}

fn flip(file: &Path, at: usize) {
    let mut contents = fs::read(file).unwrap();
    contents[at] ^= 0x41;
    fs::write(file, contents).unwrap();
}
