//! This node's own records: one more for each update, and now and then all of them in one.

use bytes::Bytes;
use damson_core::crdt::NodeId;
use damson_core::replica::WriteError;

use super::layout::{At, Base, Update, base_key, update_key};
use super::shelf::Shelf;

/// Updates behind a base, beyond which they are joined in a new one.
const UPDATES_MAX: u64 = 1_024;
/// So many bytes of them are kept, however small the base is.
const UPDATES_BYTES_MIN: usize = 4 << 10;

/// Where this node's records stand.
pub(super) struct Writer {
    owner: NodeId,
    /// Where they stand, and in which version they are written.
    at: At,
    /// In which they should be.
    pub wanted: u16,
    based_on: u64,
    base_bytes: usize,
    updates_bytes: usize,
}

impl Writer {
    pub fn new(owner: NodeId, epoch: u64, version: u16) -> Self {
        Self {
            owner,
            at: At { epoch, number: 0, version },
            wanted: version,
            based_on: 0,
            base_bytes: 0,
            updates_bytes: 0,
        }
    }

    /// In which version they are written.
    pub fn version(&self) -> u16 {
        self.at.version
    }

    /// How many updates there are.
    pub fn number(&self) -> u64 {
        self.at.number
    }

    /// Writes an update, in the version in which all are written.
    pub async fn add(&mut self, shelf: &Shelf, update: Bytes) -> Result<(), WriteError> {
        let number = self.at.number + 1;
        let record = Update { version: self.at.version, epoch: self.at.epoch, update }.encode();
        let bytes = record.len();
        let key = update_key(self.owner, number);
        let written = shelf.write(vec![(key.clone(), record)], Vec::new()).await;
        // One that is not acknowledged may be there all the same, and a number is used once.
        if written.is_ok() || shelf.holds(&key) {
            self.at.number = number;
            self.updates_bytes += bytes;
        }
        written
    }

    /// Do the updates behind the base take more than the base?
    pub fn is_long(&self) -> bool {
        let updates = self.at.number - self.based_on;
        updates >= UPDATES_MAX || self.updates_bytes > self.base_bytes.max(UPDATES_BYTES_MIN)
    }

    /// Writes everything anew, in the place of all that this node has written before: `data` is what it owns by now.
    pub async fn rebase(&mut self, shelf: &Shelf, version: u16, data: Bytes) -> Result<(), WriteError> {
        let at = At { version, ..self.at };
        let base = Base { at, data }.encode();
        let (key, bytes) = (base_key(self.owner), base.len());
        let removed = shelf.keys_of_updates(self.owner, self.based_on, self.at.number);
        shelf.write(vec![(key, base)], removed).await?;
        self.at = at;
        (self.based_on, self.base_bytes, self.updates_bytes) = (self.at.number, bytes, 0);
        Ok(())
    }
}
