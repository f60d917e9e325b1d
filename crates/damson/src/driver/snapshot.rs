//! A snapshot of what is on disk, with what is known of it.

use std::sync::Arc;

use rand_core::Rng;

use super::{Driver, Sync};
use crate::backup::{Backup, BackupError, Facts};
use crate::clock::entropy;

impl Driver {
    /// Takes a snapshot of the rows of all scopes that are on disk, as of one instant under the lock.
    pub async fn snapshot(self: &Arc<Self>) -> Result<Backup, BackupError> {
        let (facts, snapshot) = {
            let mut state = self.state.lock();
            if state.stopped {
                return Err(BackupError::NoSnapshot { cause: "the node has stopped".into() });
            }
            let mut effects = Vec::new();
            if state.node.settle_life(self.clock.now(), &mut effects) {
                tracing::info!(life = %state.node.life().0, "unconfirmed writes go into a backup as a new life's");
            }
            // Their rows are queued in front of the snapshot, and nothing else comes between under the lock.
            self.carry_out(&mut state, effects);
            let id = entropy().next_u64();
            let is_stored = |name: &_| self.disk.sync_of(name) != Sync::Never;
            let facts = Facts::of(&state.node, self.clock.now(), id, |replica| is_stored(replica.name()));
            (facts, self.disk.snapshot())
        };
        let ended = |_| BackupError::NoSnapshot { cause: "the disk thread has ended".into() };
        let snapshot = snapshot.await.map_err(ended)?;
        let snapshot = snapshot.map_err(|cause| BackupError::NoSnapshot { cause })?;
        Ok(Backup::new(facts, snapshot))
    }
}
