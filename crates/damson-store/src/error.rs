//! What can go wrong in a store.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use damson_core::persist::Table;

/// An error of a store or its directory. Each variant says what became of the state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process, or another handle in this one, holds the lock of the directory. Nothing was touched.
    #[error("another process owns the data directory {}", path.display())]
    AlreadyOwned {
        /// The data directory.
        path: PathBuf,
    },

    /// A store is open on the database, so it can be neither opened again nor set aside. Nothing was touched.
    #[error("the database {} is open in this process", path.display())]
    InUse {
        /// The database folder.
        path: PathBuf,
    },

    /// The directory was written by a newer version of this program. Nothing was touched.
    #[error("{} has format {found}; this version reads up to {supported}", path.display())]
    NewerFormat {
        /// The format file.
        path: PathBuf,
        /// The version it names.
        found: u32,
        /// The newest version that this program reads.
        supported: u32,
    },

    /// The format file is missing beside a database, or is not one of ours. Nothing was touched.
    #[error("{} does not name the format of a data directory", path.display())]
    UnknownFormat {
        /// The format file.
        path: PathBuf,
    },

    /// The system refused a file operation. When opening, nothing was lost; when writing, the store is poisoned.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file or directory concerned.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },

    /// The database is there but cannot be read. Set it aside and begin empty, as a new life. Nothing was repaired, but
    /// the attempt may already have cut its journal, or dropped tables that its index no longer names.
    #[error("the database {} is damaged: {source}", path.display())]
    Damaged {
        /// The database folder.
        path: PathBuf,
        /// The cause, as the database tells it.
        source: Box<dyn Error + Send + Sync>,
    },

    /// A row's checksum does not match what it holds. Nothing was changed; the rows before it are sound.
    #[error("a row of table {table:?} is damaged, its key is {}", key.escape_ascii())]
    DamagedRow {
        /// The table.
        table: Table,
        /// The row's key.
        key: Bytes,
    },

    /// The database did not take a batch or could not flush. The store is poisoned; whether the batch is there is
    /// known after the next open.
    #[error("cannot write to the database {}: {source}", path.display())]
    Write {
        /// The database folder.
        path: PathBuf,
        /// The cause, as the database tells it.
        source: Box<dyn Error + Send + Sync>,
    },

    /// What the database does by itself, merging its files, has failed, for a reason that it keeps to itself. Every write and
    /// flush before did what it said; this one did nothing. The store is poisoned.
    #[error("the database {} has failed in the background", path.display())]
    Background {
        /// The database folder.
        path: PathBuf,
    },

    /// An earlier write failed. Nothing was written, and nothing will be until the store is opened again.
    #[error("the store stopped after a failed write: {first}")]
    Poisoned {
        /// The message of the error that poisoned the store.
        first: String,
    },

    /// The database had to be opened anew since the snapshot was taken, because a disk was full. Nothing is damaged; take
    /// another snapshot.
    #[error("the snapshot of {} has ended: the database had to be opened anew", path.display())]
    SnapshotEnded {
        /// The database folder.
        path: PathBuf,
    },

    /// A row or mark is outside its limit. Nothing was written and the store goes on.
    #[error("a {what} of {bytes} bytes is outside the limit of {bytes_min} to {bytes_max} bytes")]
    Limit {
        /// What is outside its limit.
        what: &'static str,
        /// Its size.
        bytes: usize,
        /// The least size allowed.
        bytes_min: usize,
        /// The greatest size allowed.
        bytes_max: usize,
    },
}

impl StoreError {
    /// Says behind which row a database cannot be read.
    pub(crate) fn behind(self, table: Table, key: Option<&[u8]>) -> Self {
        let Self::Damaged { path, source } = self else { return self };
        let place = key.map_or_else(
            || format!("in front of the first row of table {table:?}"),
            |key| format!("behind the row of table {table:?} with key {}", key.escape_ascii()),
        );
        Self::Damaged { path, source: format!("{place}: {source}").into() }
    }

    /// Was there no room for a write?
    #[must_use]
    pub fn is_full(&self) -> bool {
        let mut cause: Option<&(dyn Error + 'static)> = match self {
            Self::Io { source, .. } => Some(source),
            Self::Damaged { source, .. } | Self::Write { source, .. } => Some(&**source),
            _ => None,
        };
        while let Some(error) = cause {
            if let Some(error) = error.downcast_ref::<io::Error>() {
                return matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
            }
            cause = error.source();
        }
        false
    }

    pub(crate) fn damaged_row(table: Table, key: &[u8]) -> Self {
        Self::DamagedRow { table, key: Bytes::copy_from_slice(key) }
    }

    /// For `map_err`: names the attempt and the path of a failed file operation.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
