//! The directory that one process owns.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::{StoreError, durable_file, exchange, format};

/// A data directory, owned by this process for as long as this value, or a store opened on it, lives.
#[derive(Debug)]
pub struct DataDir {
    owned: Arc<Owned>,
}

#[derive(Debug)]
struct Owned {
    path: PathBuf,
    /// Locked. The death of the process unlocks it too.
    lock: File,
    database_open: AtomicBool,
}

impl Drop for Owned {
    fn drop(&mut self) {
        // Closing alone would leave it locked while a child that is just being started still has a copy of the handle.
        // A failure is no loss: the handle is closed next.
        let _ = self.lock.unlock();
    }
}

impl DataDir {
    /// Creates the directory if need be (on Unix for its owner alone), locks it and checks its format.
    ///
    /// # Errors
    ///
    /// [`StoreError::AlreadyOwned`] if another process or handle has it, [`StoreError::NewerFormat`] or
    /// [`StoreError::UnknownFormat`] if it is not ours to write, [`StoreError::Io`] if `path` cannot be created or is
    /// not a directory. What was in the directory is untouched.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        // A relative path would mean something else after a change of the working directory.
        let path = std::path::absolute(path).map_err(StoreError::io("find the data directory", path))?;
        create(&path)?;
        let lock = lock(&path)?;
        let dir = Self { owned: Arc::new(Owned { path, lock, database_open: AtomicBool::new(false) }) };
        dir.check_format()?;
        Ok(dir)
    }

    /// The directory, as an absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.owned.path
    }

    /// Moves a damaged database, its mark included, to `damaged-<n>` in the same directory, so that the node can begin
    /// empty while the evidence stays. Returns where it is now. Nothing ever deletes it.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`] while a store is open on the database; [`StoreError::Io`] if there is none or it cannot be
    /// moved.
    pub fn set_aside(&self) -> Result<PathBuf, StoreError> {
        exchange::set_aside(&self.claim_database()?, "damaged-")
    }

    /// The same with a sound database whose node has to begin empty: it is moved to `forgotten-<n>`.
    ///
    /// # Errors
    ///
    /// Those of [`DataDir::set_aside`].
    pub fn set_aside_forgotten(&self) -> Result<PathBuf, StoreError> {
        exchange::set_aside(&self.claim_database()?, "forgotten-")
    }

    /// Reserves the database for one store, or for setting it aside, until the claim is dropped.
    pub(crate) fn claim_database(&self) -> Result<DatabaseClaim, StoreError> {
        if self.owned.database_open.swap(true, Ordering::Acquire) {
            return Err(StoreError::InUse { path: self.path().join(DATABASE) });
        }
        Ok(DatabaseClaim(self.owned.clone()))
    }

    fn check_format(&self) -> Result<(), StoreError> {
        let path = self.path().join("format");
        if format::check(&path)? {
            return Ok(());
        }
        // The format file is written before any database, so one without it is of unknown origin.
        if exists(&self.path().join(DATABASE))? {
            return Err(StoreError::UnknownFormat { path });
        }
        format::write(&path)
    }
}

/// The right to the database folder within this process. Keeps the directory locked too.
#[derive(Debug)]
pub(crate) struct DatabaseClaim(Arc<Owned>);

impl DatabaseClaim {
    /// Where the database is, or will be.
    pub(crate) fn folder(&self) -> PathBuf {
        self.0.path.join(DATABASE)
    }

    /// Where a database is created, before it is moved to its place.
    pub(crate) fn unfinished_folder(&self) -> PathBuf {
        self.0.path.join("database.new")
    }

    /// Where a database is finished that takes another one's place.
    pub(crate) fn next_folder(&self) -> PathBuf {
        self.0.path.join("database.next")
    }

    /// The first path in the directory that begins so, ends with a number, and is free.
    pub(crate) fn first_free(&self, prefix: &str) -> Result<PathBuf, StoreError> {
        let mut number = 1_u64;
        loop {
            let path = self.0.path.join(format!("{prefix}{number}"));
            if !exists(&path)? {
                return Ok(path);
            }
            number += 1;
        }
    }
}

impl Drop for DatabaseClaim {
    fn drop(&mut self) {
        self.0.database_open.store(false, Ordering::Release);
    }
}

const DATABASE: &str = "database";

/// Whether something is there, without hiding why it cannot be told.
pub(crate) fn exists(path: &Path) -> Result<bool, StoreError> {
    path.try_exists().map_err(StoreError::io("look for", path))
}

/// Creates the directory and its missing parents, and makes their entries durable.
fn create(path: &Path) -> Result<(), StoreError> {
    let missing: Vec<_> = path.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    private_directory().create(path).map_err(StoreError::io("create the data directory", path))?;
    missing.into_iter().rev().try_for_each(durable_file::flush_parent)
}

fn private_directory() -> DirBuilder {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

fn lock(dir: &Path) -> Result<File, StoreError> {
    let path = dir.join("lock");
    let open = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = open.map_err(StoreError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(StoreError::AlreadyOwned { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(StoreError::io("lock", &path)(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_directory_is_private_and_has_a_format() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(parent.path().join("a/b")).unwrap();
        assert_eq!(fs::read(dir.path().join("format")).unwrap(), b"damson-store 1\n");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(dir.path()).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn the_directory_has_one_owner_at_a_time() {
        let parent = tempfile::tempdir().unwrap();
        let first = DataDir::open(parent.path()).unwrap();
        let error = DataDir::open(parent.path()).unwrap_err();
        assert!(matches!(error, StoreError::AlreadyOwned { .. }), "{error}");
        assert!(error.to_string().contains(parent.path().to_str().unwrap()), "{error}");
        drop(first);
        DataDir::open(parent.path()).unwrap();
    }

    #[test]
    fn a_claim_keeps_the_directory_owned() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(parent.path()).unwrap();
        let claim = dir.claim_database().unwrap();
        drop(dir);
        assert!(matches!(DataDir::open(parent.path()), Err(StoreError::AlreadyOwned { .. })));
        drop(claim);
        DataDir::open(parent.path()).unwrap();
    }

    #[test]
    fn a_file_is_refused_by_its_name() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("file");
        fs::write(&path, b"").unwrap();
        let error = DataDir::open(&path).unwrap_err();
        assert!(matches!(error, StoreError::Io { .. }), "{error}");
        assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    }

    #[test]
    fn a_newer_format_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("format"), b"damson-store 2\n").unwrap();
        let error = DataDir::open(parent.path()).unwrap_err();
        assert!(matches!(error, StoreError::NewerFormat { found: 2, supported: 1, .. }), "{error}");
    }

    #[test]
    fn a_foreign_format_or_a_database_without_one_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        fs::write(parent.path().join("format"), b"something else").unwrap();
        assert!(matches!(DataDir::open(parent.path()), Err(StoreError::UnknownFormat { .. })));
        fs::remove_file(parent.path().join("format")).unwrap();
        fs::create_dir(parent.path().join(DATABASE)).unwrap();
        assert!(matches!(DataDir::open(parent.path()), Err(StoreError::UnknownFormat { .. })));
    }

    #[test]
    fn what_is_set_aside_gets_the_first_free_number() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(parent.path()).unwrap();
        assert!(dir.set_aside().is_err(), "there is no database yet");
        for number in 1..=3 {
            fs::create_dir(dir.path().join(DATABASE)).unwrap();
            assert_eq!(dir.set_aside().unwrap(), dir.path().join(format!("damaged-{number}")));
        }
    }

    #[test]
    fn an_open_database_is_not_set_aside() {
        let parent = tempfile::tempdir().unwrap();
        let dir = DataDir::open(parent.path()).unwrap();
        let _claim = dir.claim_database().unwrap();
        assert!(matches!(dir.set_aside(), Err(StoreError::InUse { .. })));
    }
}
