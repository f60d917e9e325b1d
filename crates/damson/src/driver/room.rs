//! Back-pressure: who writes on this node waits, or is refused, while more waits for a link or for the disk than should.
//!
//! Memory is bounded without it, by the queues of links and of the disk; but a full queue costs its link, and what then
//! has to be compared costs more than what was not sent. One peer that stays behind holds writers up for a while only: then
//! it is passed over, and its queue fills until its link is closed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use damson_core::replica::{Behind, WriteError};
use tokio::time::{sleep, timeout};

use super::Driver;
use crate::transport::Backlog;

/// How long a link that is behind holds up writers.
const HOLD_UP_MAX: Duration = Duration::from_secs(5);
/// How often it is looked for such links.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Whether there is room for writes, and what came of waiting for it.
#[derive(Debug)]
pub(crate) struct Room {
    pub(super) backlog: Arc<Backlog>,
    /// How long a write waits.
    patience: Duration,
    held: AtomicU64,
    refused: AtomicU64,
}

impl Room {
    pub fn new(patience: Duration) -> Self {
        Self { backlog: Arc::default(), patience, held: AtomicU64::new(0), refused: AtomicU64::new(0) }
    }

    /// Writes that had to wait.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Writes that were refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Driver {
    /// What is behind now, if anything is.
    pub fn behind(&self) -> Option<Behind> {
        if self.room.backlog.is_any() {
            return Some(Behind::Link);
        }
        (!self.disk.has_room_for_writers()).then_some(Behind::Disk)
    }

    /// Is there room for a write at once?
    pub fn check_room(&self) -> Result<(), WriteError> {
        self.behind().map_or(Ok(()), |behind| Err(self.busy(behind)))
    }

    /// Waits for room, as long as is configured.
    pub async fn wait_for_room(&self) -> Result<(), WriteError> {
        if self.behind().is_none() {
            return Ok(());
        }
        self.room.held.fetch_add(1, Ordering::Relaxed);
        let room = async {
            while let Some(behind) = self.behind() {
                match behind {
                    Behind::Link => self.room.backlog.none().await,
                    Behind::Disk => self.disk.room_for_writers().await,
                }
            }
        };
        let waited = timeout(self.room.patience, room).await;
        match self.behind() {
            Some(behind) if waited.is_err() => Err(self.busy(behind)),
            _ => Ok(()),
        }
    }

    fn busy(&self, behind: Behind) -> WriteError {
        self.room.refused.fetch_add(1, Ordering::Relaxed);
        WriteError::Busy { behind }
    }
}

/// Passes over links that hold writers up for too long.
pub(super) async fn pass_over(driver: Arc<Driver>) {
    let mut stopping = driver.stopping.subscribe();
    loop {
        tokio::select! {
            () = driver.room.backlog.some() => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
        sleep(LOOK_EVERY).await;
        for (link, open) in &driver.state.lock().links {
            if open.sender.pass_over(HOLD_UP_MAX) {
                tracing::warn!(
                    link = link.0,
                    "a peer reads more slowly than is written here: nobody waits for it"
                );
            }
        }
    }
}
