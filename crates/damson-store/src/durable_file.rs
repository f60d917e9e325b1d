//! Small files that appear and vanish for good: after a power failure a file is there whole or not at all.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use crate::StoreError;

/// Writes `contents` under a temporary name, flushes them, moves them to `path` and flushes the directory.
///
/// # Errors
/// [`StoreError::Io`]; what was at `path` is there still, or `contents` are. As with all functions here.
pub fn write(path: &Path, contents: &[u8]) -> Result<(), StoreError> {
    let temporary = path.with_added_extension("new");
    write_flushed(&temporary, contents).map_err(StoreError::io("write", &temporary))?;
    rename(&temporary, path)
}

/// Moves a file or folder within its directory and flushes the directory.
///
/// # Errors
/// [`StoreError::Io`].
pub fn rename(from: &Path, to: &Path) -> Result<(), StoreError> {
    fs::rename(from, to).map_err(StoreError::io("move a file or folder to", to))?;
    flush_parent(to)
}

/// Removes a file, if it is there, and flushes the directory.
///
/// # Errors
/// [`StoreError::Io`].
pub fn remove(path: &Path) -> Result<(), StoreError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StoreError::io("remove", path)(error)),
        // Flushed even if it was not there: an earlier removal may have failed between the two steps.
        _ => flush_parent(path),
    }
}

/// Makes the entry of `path` in its directory durable.
///
/// # Errors
/// [`StoreError::Io`].
pub fn flush_parent(path: &Path) -> Result<(), StoreError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    flush_directory(parent).map_err(StoreError::io("flush the directory", parent))
}

/// Flushes a folder and all folders in it: all that is there will be found again.
pub(crate) fn flush_folders(folder: &Path) -> Result<(), StoreError> {
    let refused = StoreError::io("look into", folder);
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    for entry in entries.map_err(refused)? {
        let path = entry.path();
        if path.is_dir() {
            flush_folders(&path)?;
        }
    }
    flush_directory(folder).map_err(StoreError::io("flush the directory", folder))
}

fn write_flushed(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(contents)?;
    file.sync_all()
}

#[cfg(unix)]
fn flush_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Elsewhere directories cannot be opened as files; the file system's own journal has to do.
#[cfg(not(unix))]
fn flush_directory(_path: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_replaces_and_leaves_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"a longer text").unwrap();
        write(&path, b"short").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"short");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn removing_twice_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        write(&path, b"text").unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
        remove(&path).unwrap();
    }

    #[test]
    fn an_error_names_the_path() {
        let error = write(Path::new("/nowhere/at/all"), b"").unwrap_err().to_string();
        assert!(error.starts_with("cannot write /nowhere/at/all.new: "), "{error}");
    }
}
