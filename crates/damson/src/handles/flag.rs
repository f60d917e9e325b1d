//! Flags.

use damson_core::crdt::Kind;
use damson_core::replica::{Slot, WriteError};

use crate::scope::Scope;

/// A flag: of concurrent changes the one that its kind favours wins.
#[derive(Clone)]
pub struct Flag {
    scope: Scope,
    slot: Slot,
    kind: Kind,
}

impl Flag {
    pub(crate) fn new(scope: Scope, slot: Slot, kind: Kind) -> Self {
        Self { scope, slot, kind }
    }

    /// Its state; `None` when it was never set, or was removed.
    pub fn get(&self) -> Option<bool> {
        self.scope.read(|view| view.flag(&self.slot))
    }

    /// Sets it.
    ///
    /// # Errors
    /// [`crate::WriteError`].
    pub async fn set(&self, on: bool) -> Result<(), WriteError> {
        self.scope.write(|tx| tx.set_flag(&self.slot, self.kind, on)).await
    }
}
