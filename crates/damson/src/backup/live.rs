//! The rows of a running node, as of one instant.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use bytes::Bytes;
use damson_core::persist::Table;
use damson_core::replica::scope_of_row;
use damson_core::scope::ScopeName;
use damson_store::{Snapshot, StoreError};
use parking_lot::Mutex;

use super::error::BackupError;
use super::facts::Facts;
use super::segment::{Filling, Segment};

/// A snapshot of a running node's rows, cut into segments. The node goes on meanwhile.
///
/// While it lives, what is overwritten or removed stays on disk, and the data directory stays owned, even after the node
/// has stopped.
pub struct Backup {
    facts: Facts,
    snapshot: Box<dyn Snapshot>,
    scopes: BTreeSet<ScopeName>,
    /// Behind which rows the segments begin that are known so far.
    starts: Mutex<Vec<Option<(Table, Bytes)>>>,
}

impl Backup {
    pub(crate) fn new(facts: Facts, snapshot: Box<dyn Snapshot>) -> Self {
        let scopes = facts.scopes.iter().filter_map(|scope| scope.name.parse().ok()).collect();
        Self { facts, snapshot, scopes, starts: Mutex::new(vec![None]) }
    }

    /// Of what it is.
    #[must_use]
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// A segment, from number 0 on. Each can be asked for again, and is the same then. Reads from disk, and blocks
    /// meanwhile.
    ///
    /// # Errors
    /// [`BackupError::TooEarly`], [`BackupError::Ended`], or [`BackupError::Store`] when a row is damaged: a backup with a hole would
    /// be none.
    pub fn segment(&self, number: u32) -> Result<Segment, BackupError> {
        let known = self.starts.lock().get(number as usize).cloned();
        let Some(start) = known else {
            let next = u32::try_from(self.starts.lock().len()).unwrap_or(u32::MAX);
            return Err(BackupError::TooEarly { number, next });
        };
        let (segment, end) = self.fill(start.as_ref().map(|(table, key)| (*table, &key[..])))?;
        let mut starts = self.starts.lock();
        // Behind the last one there is an empty one, for those who were interrupted before they could note that it was.
        if starts.len() == number as usize + 1 && segment.rows > 0 {
            starts.push(end);
        }
        Ok(segment)
    }

    /// The rows behind a position, and where they end.
    fn fill(&self, after: Option<(Table, &[u8])>) -> Result<(Segment, Option<(Table, Bytes)>), BackupError> {
        let (mut filling, mut end, mut is_last) = (Filling::new(), None, true);
        let mut unknown = None;
        let read = self.snapshot.rows(after, &mut |table, key, value| {
            match self.is_shared(table, key) {
                Some(false) => return ControlFlow::Continue(()),
                Some(true) => {}
                None => {
                    unknown = Some(StoreError::DamagedRow { table, key: Bytes::copy_from_slice(key) });
                    return ControlFlow::Break(());
                }
            }
            if !filling.add(table, key, value) {
                is_last = false;
                return ControlFlow::Break(());
            }
            end = Some((table, Bytes::copy_from_slice(key)));
            ControlFlow::Continue(())
        });
        read.map_err(|error| match error {
            StoreError::SnapshotEnded { .. } => BackupError::Ended,
            error => error.into(),
        })?;
        match unknown {
            Some(error) => Err(error.into()),
            None => Ok((filling.finish(is_last), end)),
        }
    }

    /// Does a row belong into a backup? `None` when it is the row of no scope.
    fn is_shared(&self, table: Table, key: &[u8]) -> Option<bool> {
        match table {
            Table::Meta => Some(false),
            _ => scope_of_row(key).map(|scope| self.scopes.contains(&scope)),
        }
    }
}
