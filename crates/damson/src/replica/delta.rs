//! What an implementation is told.

use bytes::Bytes;
use damson_core::crdt::Key;
use damson_core::replica::Stamp;

/// Entries as they are now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Delta {
    pub(super) starts_over: bool,
    pub(super) entries: Vec<Entry>,
}

/// One entry as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its key.
    pub key: Key,
    /// Its value, and who wrote it when; `None` when it does not exist.
    pub value: Option<(Bytes, Stamp)>,
}

impl Delta {
    /// Is it the first part of everything? What was told before counts no more: entries that are not in this delta or in one
    /// after it do not exist.
    pub fn starts_over(&self) -> bool {
        self.starts_over
    }

    /// The entries, each once.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }
}
