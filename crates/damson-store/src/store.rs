//! The contract of a store.

use bytes::Bytes;
use damson_core::persist::{Row, Table};

use crate::{Snapshot, StoreError};

/// What is shown the rows of a store: table, key and value.
pub type Visit<'a> = dyn FnMut(Table, &[u8], &[u8]) + 'a;

/// Rows that outlive the process, and the mark of a clean stop.
///
/// A failed commit, flush or change of the mark poisons the store: what is on disk is then unknown until it is read
/// again, so every later write returns [`StoreError::Poisoned`]. Loading is still possible.
///
/// At any instant a mark on disk describes the rows beside it: a commit removes a mark that was not taken.
pub trait Store: Send {
    /// About how many rows there are, for those who wait for [`Store::load`]; 0 where that is not known.
    fn rows_about(&self) -> u64 {
        0
    }

    /// Visits every row, tables in order of their numbers and keys in order of their bytes.
    ///
    /// A row whose own checksum does not match is counted and reported, not visited.
    ///
    /// # Errors
    ///
    /// [`StoreError::Damaged`] if some rows cannot be read at all, [`StoreError::Io`] if the disk cannot. What was visited
    /// then is what is left, in no order: no sound state, and not to be taken for one.
    fn load(&mut self, visit: &mut Visit<'_>) -> Result<LoadReport, StoreError>;

    /// Writes one atomic batch: after a crash all of `rows` are there or none. Where a key occurs more than once, its
    /// last row counts, so that groups can be concatenated.
    ///
    /// # Errors
    ///
    /// [`StoreError::Limit`] if a row is too large; then nothing was written and the store goes on. Any other error
    /// poisons the store; the batch may or may not be there after the next open, but never a part of it.
    fn commit(&mut self, rows: &[Row], durability: Durability) -> Result<(), StoreError>;

    /// Everything committed so far is on disk when this returns.
    ///
    /// # Errors
    ///
    /// An error poisons the store. A second attempt would prove nothing: after a failed fsync the system may have
    /// dropped the data and report success.
    fn flush(&mut self) -> Result<(), StoreError>;

    /// The mark left by the last clean stop, consumed: when this returns it is gone from disk, so that it can never be
    /// seen twice. A damaged mark counts as none (see [`LoadReport::mark_damaged`]) and is removed too.
    ///
    /// # Errors
    ///
    /// An error poisons the store, because the mark may come back: nothing may be written beside it.
    fn take_mark(&mut self) -> Result<Option<Bytes>, StoreError>;

    /// Flushes everything, then leaves `mark` for the next start. It replaces an older mark, and the next commit
    /// removes it.
    ///
    /// # Errors
    ///
    /// [`StoreError::Limit`] if the mark is too large; then nothing happened. Any other error poisons the store; the
    /// mark may or may not be there, and if it is, all rows are too.
    fn leave_mark(&mut self, mark: &[u8]) -> Result<(), StoreError>;

    /// All rows committed so far, flushed, for a reader on another thread.
    ///
    /// # Errors
    ///
    /// As [`Store::flush`].
    fn snapshot(&mut self) -> Result<Box<dyn Snapshot>, StoreError>;

    /// Is the disk too full for a store to go on? To be asked after a failure: not every write that failed for want of room
    /// says so.
    fn is_full(&self) -> bool;

    /// Opens the store once more after a failure: a life goes on, so that no mark is read. What was committed since the last
    /// flush may be gone, and the batch that failed may be there or not: both have to be committed again. Snapshots end, once
    /// the part that is being read is read.
    ///
    /// # Errors
    ///
    /// As those of the first opening. The store stays poisoned then, and this can be tried again.
    fn reopen(&mut self) -> Result<(), StoreError>;
}

/// What a batch survives once its commit has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The journal write has returned: the batch survives a crash of the process, not a power failure.
    Written,
    /// The journal is on disk: the batch, and every batch before it, survives a power failure too.
    Flushed,
}

/// What [`Store::load`] found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct LoadReport {
    /// Rows visited.
    pub rows: u64,
    /// Rows not visited, because their checksum did not match.
    pub damaged: u64,
    /// Table and key of the first of them.
    pub first_damaged: Option<(Table, Bytes)>,
    /// Bytes of the journal that were cut off when the store was opened, because no whole batch followed. After a
    /// crash this is the torn end of a batch that was never acknowledged, or of unflushed ones after a power failure.
    pub journal_bytes_cut: u64,
    /// Bytes that were cut off although the stop before was a clean one, now or at an earlier opening of this database.
    pub journal_bytes_lost: u64,
    /// A mark of a clean stop is there, but its checksum does not match. It is removed as a good one is.
    pub mark_damaged: bool,
}

impl LoadReport {
    /// What of the journal cannot have been cut off by a crash, because there was none.
    #[must_use]
    pub fn lost_of_the_journal(&self) -> Option<String> {
        let bytes = self.journal_bytes_lost;
        (bytes > 0).then(|| {
            format!("{bytes} bytes at the end of the journal make up no whole batch, although the last stop was clean")
        })
    }

    /// Counts one row, and shows it to `visit` unless it is damaged (`None`).
    pub(crate) fn visit(&mut self, table: Table, key: &[u8], value: Option<&[u8]>, visit: &mut Visit<'_>) {
        match value {
            Some(value) => {
                self.rows += 1;
                visit(table, key, value);
            }
            None => {
                self.damaged += 1;
                self.first_damaged.get_or_insert_with(|| (table, Bytes::copy_from_slice(key)));
            }
        }
    }
}
