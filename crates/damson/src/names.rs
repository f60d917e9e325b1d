//! Names that are in use on a node, each by one.

use std::collections::BTreeSet;
use std::sync::Arc;

use damson_core::scope::ScopeName;
use parking_lot::Mutex;

/// The names of running instances.
#[derive(Default, Clone)]
pub(crate) struct Names(Arc<Mutex<BTreeSet<ScopeName>>>);

/// A name in use, until this is dropped.
pub(crate) struct Claim {
    names: Names,
    name: ScopeName,
}

impl Names {
    /// Takes a name; `None` when it is in use.
    pub fn claim(&self, name: &ScopeName) -> Option<Claim> {
        let is_free = self.0.lock().insert(name.clone());
        is_free.then(|| Claim { names: self.clone(), name: name.clone() })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.names.0.lock().remove(&self.name);
    }
}
