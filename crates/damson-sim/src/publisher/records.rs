//! What a publisher writes: the records of `damson::publisher`, which this crate may not depend on, and when they are joined.
//!
//! A test there (`contracts/costs.rs`) sees the same operations on the wire.

use bytes::{BufMut, Bytes, BytesMut};
use damson_core::replica::{Slot, Tx, WriteError};
use damson_crdt::NodeId;

const VERSION: u16 = 1;
/// Updates behind a base, beyond which they are joined in a new one.
const UPDATES_MAX: u64 = 1_024;
/// So many bytes of them are kept, however small the base is.
const UPDATES_BYTES_MIN: usize = 4 << 10;

/// A node's records.
pub(crate) struct Records {
    owner: NodeId,
    epoch: u64,
    number: u64,
    based_on: u64,
    base_bytes: usize,
    updates_bytes: usize,
}

/// What is written as one batch.
pub(crate) struct Write {
    put: (Bytes, Bytes),
    removed: Vec<Bytes>,
}

impl Records {
    pub fn new(owner: NodeId, epoch: u64) -> Self {
        Self { owner, epoch, number: 0, based_on: 0, base_bytes: 0, updates_bytes: 0 }
    }

    /// One update more.
    pub fn update(&mut self, update: &[u8]) -> Write {
        self.number += 1;
        let mut record = self.head();
        record.put_slice(update);
        self.updates_bytes += record.len();
        Write { put: (self.update_key(self.number), record.freeze()), removed: Vec::new() }
    }

    /// Do the updates behind the base take more than the base?
    pub fn is_long(&self) -> bool {
        let updates = self.number - self.based_on;
        updates >= UPDATES_MAX || self.updates_bytes > self.base_bytes.max(UPDATES_BYTES_MIN)
    }

    /// All that the node owns, in the place of everything before.
    pub fn base(&mut self, data: &[u8]) -> Write {
        let mut record = self.head();
        record.put_u64(self.number);
        record.put_slice(data);
        let removed = (self.based_on + 1..=self.number).map(|number| self.update_key(number)).collect();
        (self.based_on, self.base_bytes, self.updates_bytes) = (self.number, record.len(), 0);
        Write { put: (self.key(0).freeze(), record.freeze()), removed }
    }

    fn head(&self) -> BytesMut {
        let mut record = BytesMut::new();
        record.put_u16(VERSION);
        record.put_u64(self.epoch);
        record
    }

    fn update_key(&self, number: u64) -> Bytes {
        let mut key = self.key(1);
        key.put_u64(number);
        key.freeze()
    }

    fn key(&self, kind: u8) -> BytesMut {
        let mut key = BytesMut::new();
        key.put_slice(&self.owner.0);
        key.put_u8(kind);
        key
    }
}

impl Write {
    pub fn carry_out(self, tx: &mut Tx<'_>) -> Result<(), WriteError> {
        let (key, value) = self.put;
        tx.put_register(&Slot::key(key), value, None)?;
        self.removed.into_iter().for_each(|key| _ = tx.remove(&Slot::key(key)));
        Ok(())
    }
}
