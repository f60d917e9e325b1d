//! Killing keys whose time-to-live has ended.

use damson_crdt::{Batch, Hlc, Key};

use super::{Replica, Slot};

impl Replica {
    /// When the next key ends, in milliseconds since 1970.
    pub fn next_end_ms(&self) -> Option<u64> {
        self.live.next_end()
    }

    /// Keys that ended before a wall time, with that time, the longest dead first.
    pub fn ended_before(&self, wall_ms: u64) -> impl Iterator<Item = &(u64, Key)> {
        self.live.ended_before(wall_ms)
    }

    /// Kills what is seen of ended keys, in one batch.
    pub fn reap(&mut self, keys: &[Key], hlc: Hlc, wall_ms: u64) -> Option<Batch> {
        let mut tx = self.begin(hlc, wall_ms);
        for key in keys {
            tx.remove(&Slot::key(key.clone()));
        }
        tx.commit()
    }
}
