//! Being told what changes: a snapshot, then changes, without a gap between them.
//!
//! A watcher that falls too far behind gets a new snapshot, marked as such, instead of a queue that grows.

mod fields;
mod following;

use std::sync::Arc;

use damson_core::crdt::{Key, Kind};
use damson_core::replica::Slot;
use damson_core::scope::ScopeName;

use crate::driver::Driver;

pub use fields::{MapChange, MapWatch};
pub(crate) use following::{Followed, Following, Noted, Watchers};

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
pub struct Watch(Following);

impl Watch {
    pub(crate) fn open(driver: Arc<Driver>, scope: ScopeName, prefix: Key) -> Self {
        Self(Following::open(driver, scope, Followed::Keys(prefix)))
    }

    /// The next change; `None` when the node has stopped and all was told.
    pub async fn next(&mut self) -> Option<Change> {
        let mut stopping = self.0.driver.stopping();
        loop {
            if let Some(change) = self.take() {
                return Some(change);
            }
            tokio::select! {
                () = self.0.changed() => {}
                _ = stopping.wait_for(|stop| *stop) => return self.take(),
            }
        }
    }

    fn take(&self) -> Option<Change> {
        let Following { driver, scope, pending } = &self.0;
        driver.look(|node, now| {
            // Under the node's lock: what changes after this is noted after this.
            let mut keys = pending.names.lock();
            let view = node.replica(scope).map(|replica| replica.view(now.wall_ms));
            if std::mem::take(&mut keys.all) {
                keys.changed.clear();
                let all = view.into_iter().flat_map(|view| view.keys());
                let mine = all.filter(|(key, _)| pending.followed.has(key));
                return Some(Change::Snapshot(mine.map(|(key, kind)| (key.clone(), kind)).collect()));
            }
            let key = keys.changed.pop_first()?;
            let slot = Slot::key(key.clone());
            Some(Change::Changed { kind: view.and_then(|view| view.kind(&slot)), key })
        })
    }
}
