//! Which keys, or fields of a map, have changed, for those who look at them themselves.
//!
//! At most a bounded set of them is held that have changed and were not asked for yet; changes of one that nobody has
//! looked at are one. Whoever falls too far behind is told that anything may have changed, instead of a queue that grows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use damson_core::crdt::{CellId, Key};
use damson_core::node::Node as Core;
use damson_core::replica::Slot;
use damson_core::scope::ScopeName;
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::driver::Driver;

/// Changed keys or fields that are held before all have to be looked at.
const PENDING_MAX: usize = 16_384;

/// What is followed in a scope.
#[derive(Debug)]
pub(crate) enum Followed {
    /// The keys that begin with this.
    Keys(Key),
    /// The fields of the map there.
    Fields(Slot),
}

/// Follows some of a scope. Ends when it is dropped.
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
    /// These keys, or fields.
    Names(Vec<Bytes>),
}

/// Who follows which scope.
#[derive(Default)]
pub(crate) struct Watchers {
    by_scope: Mutex<BTreeMap<ScopeName, Vec<Weak<Pending>>>>,
    open: AtomicU64,
    /// Of those, the ones who follow fields.
    open_fields: AtomicU64,
}

/// What one follower has not asked for yet.
pub(crate) struct Pending {
    pub followed: Followed,
    pub names: Mutex<Names>,
    changed: Notify,
}

#[derive(Default)]
pub(crate) struct Names {
    pub changed: BTreeSet<Bytes>,
    pub all: bool,
}

impl Followed {
    /// Is this one of the keys?
    pub fn has(&self, key: &Key) -> bool {
        match self {
            Self::Keys(prefix) => key.starts_with(prefix),
            Self::Fields(slot) => *key == slot.key,
        }
    }
}

impl Watchers {
    /// Notes changed keys, and those of their cells that are known, for those who follow them.
    pub fn changed(&self, scope: &ScopeName, keys: &[Key], cells: &[CellId]) {
        let mut by_scope = self.by_scope.lock();
        let Some(watchers) = by_scope.get_mut(scope) else { return };
        watchers.retain(|watcher| watcher.upgrade().is_some_and(|pending| pending.note(keys, cells)));
    }

    fn add(&self, scope: &ScopeName, pending: &Arc<Pending>) {
        let mut by_scope = self.by_scope.lock();
        let watchers = by_scope.entry(scope.clone()).or_default();
        // Those that were dropped leave with the next that comes, also where nothing changes.
        watchers.retain(|watcher| watcher.strong_count() > 0);
        watchers.push(Arc::downgrade(pending));
        pending.counted(self).fetch_add(1, Ordering::Relaxed);
    }

    /// Are keys followed, and fields?
    fn wanted(&self) -> (bool, bool) {
        let [keys, fields] = [&self.open, &self.open_fields].map(|open| open.load(Ordering::Relaxed) > 0);
        (keys || fields, fields)
    }
}

impl Pending {
    fn counted<'a>(&self, watchers: &'a Watchers) -> &'a AtomicU64 {
        match self.followed {
            Followed::Keys(_) => &watchers.open,
            Followed::Fields(_) => &watchers.open_fields,
        }
    }

    fn note(&self, keys: &[Key], cells: &[CellId]) -> bool {
        let mut pending = self.names.lock();
        let before = pending.changed.len();
        match &self.followed {
            Followed::Keys(prefix) => {
                pending.changed.extend(keys.iter().filter(|key| key.starts_with(prefix)).cloned());
            }
            Followed::Fields(slot) => note_fields(slot, keys, cells, &mut pending),
        }
        if pending.changed.len() > PENDING_MAX {
            pending.changed.clear();
            pending.all = true;
        }
        if pending.changed.len() != before || pending.all {
            self.changed.notify_one();
        }
        true
    }

    fn take(&self, names_max: usize) -> Option<Noted> {
        let mut pending = self.names.lock();
        if std::mem::take(&mut pending.all) {
            pending.changed.clear();
            return Some(Noted::All);
        }
        let names: Vec<Bytes> = std::iter::from_fn(|| pending.changed.pop_first()).take(names_max).collect();
        (!names.is_empty()).then_some(Noted::Names(names))
    }
}

/// Of the cells those that lie in a field of the map. What lies elsewhere below the key may hide the map, or show it.
fn note_fields(slot: &Slot, keys: &[Key], cells: &[CellId], names: &mut Names) {
    if !keys.contains(&slot.key) {
        return;
    }
    for cell in cells.iter().filter(|cell| cell.key == slot.key) {
        let below =
            cell.path.starts_with(&slot.prefix).then(|| cell.path.borrowed().field_below(&slot.prefix));
        match below.flatten() {
            Some(field) => _ = names.changed.insert(Bytes::copy_from_slice(field)),
            None => names.all |= slot.prefix.starts_with(&cell.path) || cell.path.starts_with(&slot.prefix),
        }
    }
}

impl Following {
    pub fn open(driver: Arc<Driver>, scope: ScopeName, followed: Followed) -> Self {
        let names = Mutex::new(Names { changed: BTreeSet::new(), all: true });
        let pending = Arc::new(Pending { followed, names, changed: Notify::new() });
        driver.change(|node, _, _| {
            driver.watchers().add(&scope, &pending);
            tell(node, driver.watchers().wanted());
        });
        Self { driver, scope, pending }
    }

    /// What has changed since this was last asked, at most so many names. Who looks at them afterwards may see more, and is told
    /// of that once more. `None` when the node has stopped.
    pub async fn next(&mut self, names_max: usize) -> Option<Noted> {
        let mut stopping = self.driver.stopping();
        loop {
            if let Some(noted) = self.pending.take(names_max) {
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
            self.pending.counted(driver.watchers()).fetch_sub(1, Ordering::Relaxed);
            tell(node, driver.watchers().wanted());
        });
    }
}

/// A node that nobody follows makes no names.
fn tell(node: &mut Core, (keys, fields): (bool, bool)) {
    node.watch_cells(fields);
    if node.is_watched() != keys {
        node.watch(keys);
    }
}
