//! Copies of a node's state: made while it runs, and put back as another node.
//!
//! ```text
//!   node --begin_backup--> Backup: the rows of one instant --segment(0), segment(1), ...--> Unfinished --finish--> a Place
//!   Place --restore--> a data directory without a key, a life or a mark: the start on it is a new node
//! ```
//!
//! A backup has what all members share: cells, contexts and removals. It never has what makes a node itself: its key, its
//! life, its unconfirmed writes, its list of members. So what was restored can join the cluster that it comes from, as a
//! member that was cut off since the backup: nothing is counted twice, and what was deleted meanwhile stays deleted.
//!
//! A [`Place`] is a directory, or with the feature `object-storage` a prefix in a bucket.
//!
//! `docs/backup.md` says how to, and what is promised; `docs/format.md` draws the files.

mod contents;
mod directory;
mod error;
mod facts;
mod finished;
mod live;
mod manifest;
#[cfg(feature = "object-storage")]
mod object_storage;
mod place;
mod restore;
mod segment;
mod unfinished;
mod verify;

pub use contents::CheckedScope;
pub use error::{BackupError, PlaceError, RestoreError};
pub use facts::{Facts, ScopeFacts};
pub use live::Backup;
pub use manifest::{Manifest, SegmentEntry};
#[cfg(feature = "object-storage")]
pub use object_storage::{ObjectStorage, StorageError, StorageSettings};
pub use place::Place;
pub use restore::restore;
pub use segment::{SEGMENT_BYTES, SEGMENT_BYTES_MAX, Segment};
pub use unfinished::Unfinished;
pub use verify::{Verified, verify_backup, verify_data_dir};

/// Is told how far a long work is, in bytes: done, and of how many.
pub type Progress<'a> = dyn FnMut(u64, u64) + 'a;
