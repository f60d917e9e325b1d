//! Being told what changes: a snapshot, then changes, without a gap between them.
//!
//! A watch holds at most a bounded set of keys that have changed and were not asked for yet; changes of one key that
//! nobody has looked at are one. A watcher that falls too far behind gets a new snapshot, marked as such, instead of a
//! queue that grows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use damson_core::crdt::{Key, Kind};
use damson_core::scope::ScopeName;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::driver::Driver;

/// Changed keys that a watch holds before it falls back to a snapshot.
const PENDING_MAX: usize = 16_384;

/// What a watch tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// All existing keys under the prefix, with their types: first of all, and again when the watcher was too slow.
    Snapshot(Vec<(Key, Kind)>),
    /// A key changed, at least once since it was told last.
    Changed {
        /// Which.
        key: Key,
        /// Its type now; `None` when it does not exist any more.
        kind: Option<Kind>,
    },
}

/// Tells what changes under a prefix of keys in a scope. Ends when it is dropped.
pub struct Watch {
    driver: Arc<Driver>,
    scope: ScopeName,
    pending: Arc<Pending>,
}

#[derive(Default)]
pub(crate) struct Watchers {
    by_scope: Mutex<BTreeMap<ScopeName, Vec<Weak<Pending>>>>,
    open: AtomicU64,
}

struct Pending {
    prefix: Key,
    keys: Mutex<Keys>,
    changed: Notify,
}

#[derive(Default)]
struct Keys {
    changed: BTreeSet<Key>,
    snapshot: bool,
}

impl Watchers {
    /// Notes changed keys for those who watch them.
    pub fn changed(&self, scope: &ScopeName, keys: &[Key]) {
        let mut by_scope = self.by_scope.lock();
        let Some(watchers) = by_scope.get_mut(scope) else { return };
        watchers.retain(|watcher| watcher.upgrade().is_some_and(|pending| pending.note(keys)));
    }

    fn add(&self, scope: &ScopeName, pending: &Arc<Pending>) -> bool {
        let mut by_scope = self.by_scope.lock();
        let watchers = by_scope.entry(scope.clone()).or_default();
        // Watches that were dropped leave with the next that comes, also where nothing changes.
        watchers.retain(|watcher| watcher.strong_count() > 0);
        watchers.push(Arc::downgrade(pending));
        self.open.fetch_add(1, Ordering::Relaxed) == 0
    }

    fn remove(&self) -> bool {
        self.open.fetch_sub(1, Ordering::Relaxed) == 1
    }
}

impl Pending {
    fn note(&self, keys: &[Key]) -> bool {
        let mut pending = self.keys.lock();
        let mine = keys.iter().filter(|key| key.starts_with(&self.prefix));
        let before = pending.changed.len();
        pending.changed.extend(mine.cloned());
        if pending.changed.len() > PENDING_MAX {
            pending.changed.clear();
            pending.snapshot = true;
        }
        if pending.changed.len() != before || pending.snapshot {
            self.changed.notify_one();
        }
        true
    }
}

impl Watch {
    pub(crate) fn open(driver: Arc<Driver>, scope: ScopeName, prefix: Key) -> Self {
        let keys = Mutex::new(Keys { changed: BTreeSet::new(), snapshot: true });
        let pending = Arc::new(Pending { prefix, keys, changed: Notify::new() });
        driver.change(|node, _, _| {
            if driver.watchers().add(&scope, &pending) {
                node.watch(true);
            }
        });
        Self { driver, scope, pending }
    }

    /// The next change; `None` when the node has stopped and all was told.
    pub async fn next(&mut self) -> Option<Change> {
        let mut stopping = self.driver.stopping();
        loop {
            if let Some(change) = self.take() {
                return Some(change);
            }
            tokio::select! {
                () = self.pending.changed.notified() => {}
                _ = stopping.wait_for(|stop| *stop) => return self.take(),
            }
        }
    }

    fn take(&self) -> Option<Change> {
        self.driver.look(|node, now| {
            // Under the node's lock: what changes after this is noted after this.
            let mut pending = self.pending.keys.lock();
            let view = node.replica(&self.scope).map(|replica| replica.view(now.wall_ms));
            if std::mem::take(&mut pending.snapshot) {
                pending.changed.clear();
                let keys = view.into_iter().flat_map(|view| view.keys());
                let mine = keys.filter(|(key, _)| key.starts_with(&self.pending.prefix));
                return Some(Change::Snapshot(mine.map(|(key, kind)| (key.clone(), kind)).collect()));
            }
            let key = pending.changed.pop_first()?;
            let slot = damson_core::replica::Slot::key(key.clone());
            Some(Change::Changed { kind: view.and_then(|view| view.kind(&slot)), key })
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let driver = self.driver.clone();
        driver.change(|node, _, _| {
            if driver.watchers().remove() {
                node.watch(false);
            }
        });
    }
}
