//! Snapshots that are being copied by clients.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use damson::Node;
use damson::backup::{Backup, BackupError, Facts};
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::config::FrontLimits;

/// Segments of one backup that are read or sent at once: one, and one whose connection is lost and does not know it yet.
const SEGMENTS_AT_ONCE: usize = 2;

/// The backups that are under way, by their ids. One that nobody asks for is dropped after a while.
pub(crate) struct Backups {
    held: Mutex<BTreeMap<String, Arc<Held>>>,
    places_max: usize,
    idle_max: Duration,
}

/// A backup under way.
pub(crate) struct Held {
    pub backup: Backup,
    /// For those that read a segment, until it is sent.
    pub readers: Arc<Semaphore>,
    used: Mutex<Instant>,
}

/// Why no backup begins.
pub(crate) enum NoBackup {
    /// As many as may be are under way.
    TooMany,
    /// The node says no.
    Refused(BackupError),
}

impl Backups {
    pub fn new(limits: &FrontLimits) -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::default(),
            places_max: limits.backups_max,
            idle_max: limits.backup_idle_max,
        })
    }

    /// Takes a snapshot and keeps it for those who ask for its segments.
    pub async fn begin(self: &Arc<Self>, node: &Node) -> Result<Facts, NoBackup> {
        if self.held.lock().len() >= self.places_max {
            return Err(NoBackup::TooMany);
        }
        let backup = node.begin_backup().await.map_err(NoBackup::Refused)?;
        let facts = backup.facts().clone();
        let readers = Arc::new(Semaphore::new(SEGMENTS_AT_ONCE));
        let held = Arc::new(Held { backup, readers, used: Mutex::new(Instant::now()) });
        {
            let mut all = self.held.lock();
            // Others may have begun meanwhile.
            if all.len() >= self.places_max {
                return Err(NoBackup::TooMany);
            }
            all.insert(facts.id.clone(), held);
        }
        tokio::spawn(drop_when_idle(Arc::downgrade(self), facts.id.clone(), self.idle_max));
        Ok(facts)
    }

    /// A backup, which is in use as of now.
    pub fn get(&self, id: &str) -> Option<Arc<Held>> {
        let held = self.held.lock().get(id).cloned()?;
        held.touch();
        Some(held)
    }

    /// Forgets a backup; false if there is none.
    pub fn end(&self, id: &str) -> bool {
        self.held.lock().remove(id).is_some()
    }
}

impl Held {
    /// Somebody has just used it.
    pub fn touch(&self) {
        *self.used.lock() = Instant::now();
    }
}

async fn drop_when_idle(backups: Weak<Backups>, id: String, idle_max: Duration) {
    let mut pause = idle_max;
    loop {
        tokio::time::sleep(pause).await;
        let Some(backups) = backups.upgrade() else { return };
        let Some(idle) = backups.held.lock().get(&id).map(|held| held.used.lock().elapsed()) else { return };
        if idle >= idle_max {
            tracing::info!(id, "a backup that nobody went on with is dropped");
            backups.end(&id);
            return;
        }
        pause = idle_max - idle;
    }
}
