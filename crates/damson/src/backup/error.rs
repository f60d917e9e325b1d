//! What can go wrong with backups.

use std::io;
use std::path::{Path, PathBuf};

use damson_core::crdt::Digest;
use damson_core::replica::LoadError;
use damson_store::StoreError;

#[cfg(feature = "object-storage")]
use super::object_storage::StorageError;

/// A backup that could not be made, or not gone on with. The node is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The node has no data directory, so there are no rows of which a snapshot could be taken.
    #[error("this node keeps nothing on disk, and a backup has what is on disk")]
    NothingStored,
    /// The node has stopped, or its disk has failed.
    #[error("no snapshot can be taken: {cause}")]
    NoSnapshot {
        /// Why not.
        cause: String,
    },
    /// Rows could not be read, or a file not written. What was copied before is sound.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The disk was full meanwhile, and the snapshot ended when there was room again. What was copied can be thrown away.
    #[error("the snapshot has ended, because the node had to open its database anew: begin again")]
    Ended,
    /// Segments come in their order: this one is not known before those in front of it were asked for.
    #[error("segment {number} was asked for before segment {next}")]
    TooEarly {
        /// Which was asked for.
        number: u32,
        /// The next that can be.
        next: u32,
    },
    /// The system refused a file operation. What was finished before it stays, and the backup can go on from there.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// Another process is writing a backup there. Nothing was touched.
    #[error("another process is writing a backup to {}", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The place has a finished backup. Nothing was touched.
    #[error("{} has a finished backup already; choose another place", path.display())]
    Finished {
        /// The directory.
        path: PathBuf,
    },
    /// The place has files that are no part of a backup. Nothing was touched.
    #[error("{} is no part of a backup; choose an empty place, or one that does not exist", path.display())]
    Foreign {
        /// The first such file.
        path: PathBuf,
    },
    /// What is there of an unfinished backup is damaged. Nothing was touched.
    #[error("the unfinished backup in {} cannot go on ({cause}); remove it, or choose another place", path.display())]
    Unusable {
        /// The directory.
        path: PathBuf,
        /// What is wrong.
        cause: String,
    },
    /// A segment is not what was announced. It was not kept.
    #[error("segment {number} came damaged: {cause}")]
    DamagedOnTheWay {
        /// Which.
        number: u32,
        /// What is wrong with it.
        cause: &'static str,
    },
    /// Object storage has refused, or could not be asked. What was finished before it stays.
    #[cfg(feature = "object-storage")]
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// A backup that cannot be used, or not put there. Nothing was put in place, and the backup is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RestoreError {
    /// There is no manifest.
    #[error("{} is no backup: it has no file named manifest", path.display())]
    NotABackup {
        /// The directory.
        path: PathBuf,
    },
    /// The backup was interrupted.
    #[error("the backup in {} is not finished; run the command that makes it once more", path.display())]
    Unfinished {
        /// The directory.
        path: PathBuf,
    },
    /// The backup was made by a newer version of this program.
    #[error("{} has format {found}; this version reads up to {supported}", path.display())]
    NewerFormat {
        /// The manifest.
        path: PathBuf,
        /// The version it names.
        found: u32,
        /// The newest version that this program reads.
        supported: u32,
    },
    /// A file of the backup is not as it was written.
    #[error("{} is damaged: {cause}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
    /// The rows are whole, but no sound state.
    #[error("the backup holds no sound state: {0}")]
    Unsound(#[from] LoadError),
    /// The rows are sound, but not the state that the node had.
    #[error("scope {scope} has digest {found}, and had {written} when the backup was made")]
    Different {
        /// The scope.
        scope: String,
        /// What was read.
        found: Digest,
        /// What the manifest says.
        written: String,
    },
    /// There is something where the data directory is to be.
    #[error("{} is not empty; a restore makes a new data directory", path.display())]
    Taken {
        /// The data directory.
        path: PathBuf,
    },
    /// An earlier restore was cut short, or another is at work.
    #[error("{} is left from a restore that was cut short; remove it, unless one is running", path.display())]
    LeftOver {
        /// The unfinished directory.
        path: PathBuf,
    },
    /// There is no data directory to verify.
    #[error("{} is no data directory: it has no {missing}", path.display())]
    NoDataDir {
        /// The directory.
        path: PathBuf,
        /// What it lacks.
        missing: &'static str,
    },
    /// The system refused a file operation.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The new database could not be written, or the one to verify not be opened.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Object storage has refused, or could not be asked.
    #[cfg(feature = "object-storage")]
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// No place for a backup. Nothing was looked at or touched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceError {
    /// The address is of a kind that nobody here knows.
    #[error("{scheme}:// is no place for a backup; write a directory, or s3://BUCKET/PREFIX")]
    UnknownScheme {
        /// What stands in front of `://`.
        scheme: String,
    },
    /// This program was built without object storage.
    #[cfg(not(feature = "object-storage"))]
    #[error("s3:// needs a build with object storage: cargo build --release --features object-storage")]
    NoObjectStorage,
    /// The address or the environment do not say enough.
    #[cfg(feature = "object-storage")]
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl BackupError {
    /// For `map_err`: names the attempt and the path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}

impl RestoreError {
    /// For `map_err`: names the attempt and the path.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }

    pub(super) fn damaged(path: &Path, cause: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), cause: cause.into() }
    }
}
