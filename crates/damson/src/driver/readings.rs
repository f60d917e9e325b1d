//! Counters whose values are kept at hand, for readers who wait for nobody.
//!
//! A value is brought up to date under the node's lock, before the write that changed it returns, and is read without it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use damson_core::crdt::Key;
use damson_core::node::Node as Core;
use damson_core::replica::Slot;
use damson_core::scope::ScopeName;
use damson_core::time::Now;
use parking_lot::Mutex;

/// A key that does not end.
const NEVER: u64 = u64::MAX;

/// The present value of a counter.
pub(crate) struct Reading {
    scope: ScopeName,
    slot: Slot,
    value: AtomicI64,
    /// When the key ends, in milliseconds since 1970.
    ends_ms: AtomicU64,
}

/// All that are kept at hand.
#[derive(Default)]
pub(super) struct Readings(Mutex<ByKey>);

type ByKey = HashMap<(ScopeName, Key), Vec<Weak<Reading>>>;

impl Reading {
    /// The counter's value; 0 when it does not exist.
    pub fn get(&self) -> i64 {
        let ends_ms = self.ends_ms.load(Ordering::Acquire);
        if ends_ms != NEVER && crate::clock::wall_ms() >= ends_ms {
            return 0;
        }
        self.value.load(Ordering::Acquire)
    }

    fn refresh(&self, node: &Core, now: Now) {
        let view = node.replica(&self.scope).map(|replica| replica.view(now.wall_ms));
        let value = view.and_then(|view| view.counter(&self.slot)).unwrap_or_default();
        let ends_ms = view.and_then(|view| view.ends_ms(&self.slot.key)).flatten();
        self.value.store(value, Ordering::Release);
        self.ends_ms.store(ends_ms.unwrap_or(NEVER), Ordering::Release);
    }
}

impl Readings {
    /// Keeps a counter at hand for as long as this is held.
    pub fn add(&self, scope: &ScopeName, slot: &Slot, node: &Core, now: Now) -> Arc<Reading> {
        let (value, ends_ms) = (AtomicI64::new(0), AtomicU64::new(NEVER));
        let reading = Arc::new(Reading { scope: scope.clone(), slot: slot.clone(), value, ends_ms });
        reading.refresh(node, now);
        let mut all = self.0.lock();
        let of_key = all.entry((scope.clone(), slot.key.clone())).or_default();
        of_key.push(Arc::downgrade(&reading));
        reading
    }

    /// Forgets those of a key that nobody holds any more.
    pub fn sweep(&self, scope: &ScopeName, key: &Key) {
        let mut all = self.0.lock();
        let name = (scope.clone(), key.clone());
        let Some(of_key) = all.get_mut(&name) else { return };
        of_key.retain(|reading| reading.strong_count() > 0);
        if of_key.is_empty() {
            all.remove(&name);
        }
    }

    /// Keys have changed.
    pub fn refresh(&self, scope: &ScopeName, keys: &[Key], node: &Core, now: Now) {
        let all = self.0.lock();
        if all.is_empty() {
            return;
        }
        for key in keys {
            let of_key = all.get(&(scope.clone(), key.clone())).into_iter().flatten();
            of_key.filter_map(Weak::upgrade).for_each(|reading| reading.refresh(node, now));
        }
    }
}
