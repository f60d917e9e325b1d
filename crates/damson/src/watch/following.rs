//! Which keys have changed, for those who look at them themselves.
//!
//! At most a bounded set of keys is held that have changed and were not asked for yet; changes of one key that nobody has
//! looked at are one. Whoever falls too far behind is told that anything may have changed, instead of a queue that grows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use damson_core::crdt::Key;
use damson_core::scope::ScopeName;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::driver::Driver;

/// Changed keys that are held before all keys have to be looked at.
const PENDING_MAX: usize = 16_384;

/// Follows a prefix of keys in a scope. Ends when it is dropped.
pub(crate) struct Following {
    pub driver: Arc<Driver>,
    pub scope: ScopeName,
    pub pending: Arc<Pending>,
}

/// What has changed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Noted {
    /// Anything may have: at the beginning, and when there was too much to hold.
    All,
    /// These keys.
    Keys(Vec<Key>),
}

/// Who follows which scope.
#[derive(Default)]
pub(crate) struct Watchers {
    by_scope: Mutex<BTreeMap<ScopeName, Vec<Weak<Pending>>>>,
    open: AtomicU64,
}

/// What one follower has not asked for yet.
pub(crate) struct Pending {
    pub prefix: Key,
    pub keys: Mutex<Keys>,
    changed: Notify,
}

#[derive(Default)]
pub(crate) struct Keys {
    pub changed: BTreeSet<Key>,
    pub all: bool,
}

impl Watchers {
    /// Notes changed keys for those who follow them.
    pub fn changed(&self, scope: &ScopeName, keys: &[Key]) {
        let mut by_scope = self.by_scope.lock();
        let Some(watchers) = by_scope.get_mut(scope) else { return };
        watchers.retain(|watcher| watcher.upgrade().is_some_and(|pending| pending.note(keys)));
    }

    fn add(&self, scope: &ScopeName, pending: &Arc<Pending>) -> bool {
        let mut by_scope = self.by_scope.lock();
        let watchers = by_scope.entry(scope.clone()).or_default();
        // Those that were dropped leave with the next that comes, also where nothing changes.
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
            pending.all = true;
        }
        if pending.changed.len() != before || pending.all {
            self.changed.notify_one();
        }
        true
    }

    fn take(&self, keys_max: usize) -> Option<Noted> {
        let mut pending = self.keys.lock();
        if std::mem::take(&mut pending.all) {
            pending.changed.clear();
            return Some(Noted::All);
        }
        let keys: Vec<Key> = std::iter::from_fn(|| pending.changed.pop_first()).take(keys_max).collect();
        (!keys.is_empty()).then_some(Noted::Keys(keys))
    }
}

impl Following {
    pub fn open(driver: Arc<Driver>, scope: ScopeName, prefix: Key) -> Self {
        let keys = Mutex::new(Keys { changed: BTreeSet::new(), all: true });
        let pending = Arc::new(Pending { prefix, keys, changed: Notify::new() });
        driver.change(|node, _, _| {
            if driver.watchers().add(&scope, &pending) {
                node.watch(true);
            }
        });
        Self { driver, scope, pending }
    }

    /// What has changed since this was last asked, at most so many keys. Who looks at them afterwards may see more, and is told
    /// of that once more. `None` when the node has stopped.
    pub async fn next(&mut self, keys_max: usize) -> Option<Noted> {
        let mut stopping = self.driver.stopping();
        loop {
            if let Some(noted) = self.pending.take(keys_max) {
                return Some(noted);
            }
            tokio::select! {
                () = self.changed() => {}
                _ = stopping.wait_for(|stop| *stop) => return None,
            }
        }
    }

    /// Something has changed.
    pub async fn changed(&self) {
        self.pending.changed.notified().await;
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let driver = self.driver.clone();
        driver.change(|node, _, _| {
            if driver.watchers().remove() {
                node.watch(false);
            }
        });
    }
}
