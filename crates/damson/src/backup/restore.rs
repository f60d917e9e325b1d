//! From a backup to a data directory.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use damson_core::persist::Row;
use damson_store::{DataDir, Durability, FjallStore, Store, durable_file};

use super::Progress;
use super::contents::CheckedScope;
use super::error::RestoreError;
use super::finished::Finished;
use super::manifest::Manifest;
use super::place::Place;
use super::segment::RowRef;

/// Makes a data directory from a backup. It must not exist, or be empty. The node that is started on it is a new one,
/// with a key of its own.
///
/// Everything is checked before anything is written: each file against its checksum, and the state, which is held in
/// memory for that, against the digests that the node had. The directory is written under another name beside its place
/// (`<name>.restoring`), and moved when it is whole and on disk. Returns what was in the backup. Blocks.
///
/// # Errors
/// [`RestoreError`]; nothing is at `data_dir` then that was not there before.
pub fn restore(
    from: impl Into<Place>,
    data_dir: impl AsRef<Path>,
    progress: &mut Progress<'_>,
) -> Result<(Manifest, Vec<CheckedScope>), RestoreError> {
    let data_dir = data_dir.as_ref();
    let place =
        std::path::absolute(data_dir).map_err(RestoreError::io("find the data directory", data_dir))?;
    check_place(&place)?;
    let backup = Finished::open(from.into())?;
    // Read twice, once to check and once to write.
    let (mut done, of) = (0, backup.manifest.bytes() * 2);
    let mut advance = |bytes| {
        done += bytes;
        progress(done, of);
    };
    let scopes = backup.check(&mut advance)?;
    let unfinished = beside(&place);
    if unfinished.exists() {
        return Err(RestoreError::LeftOver { path: unfinished });
    }
    let written = write(&backup, &unfinished, &mut advance).and_then(|()| put_in_place(&unfinished, &place));
    if let Err(error) = written {
        // What cannot be removed is told by the next attempt.
        let _ = fs::remove_dir_all(&unfinished);
        return Err(error);
    }
    Ok((backup.manifest, scopes))
}

fn check_place(place: &Path) -> Result<(), RestoreError> {
    match fs::read_dir(place).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Ok(false) => Err(RestoreError::Taken { path: place.to_owned() }),
        Err(error) => Err(RestoreError::io("look into", place)(error)),
    }
}

fn beside(place: &Path) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    place.with_file_name(name)
}

/// Writes the rows as a store does: the directory that comes out is like any other.
fn write(backup: &Finished, to: &Path, advance: &mut dyn FnMut(u64)) -> Result<(), RestoreError> {
    let dir = DataDir::open(to)?;
    let mut store = FjallStore::open(&dir)?;
    backup.each_segment(|rows, entry| {
        let rows: Vec<Row> = rows.iter().map(row).collect();
        store.commit(&rows, Durability::Written)?;
        advance(entry.bytes);
        Ok(())
    })?;
    Ok(store.flush()?)
}

fn row((table, key, value): &RowRef<'_>) -> Row {
    Row { table: *table, key: Bytes::copy_from_slice(key), value: Some(Bytes::copy_from_slice(value)) }
}

/// Whole and on disk: from here on it is a data directory.
fn put_in_place(unfinished: &Path, place: &Path) -> Result<(), RestoreError> {
    if place.exists() {
        // Fails if it is no longer empty.
        fs::remove_dir(place).map_err(RestoreError::io("replace the empty directory", place))?;
    }
    Ok(durable_file::rename(unfinished, place)?)
}
