//! Sets: each element is a cell of its own.

use bytes::Bytes;
use damson_core::replica::{Slot, WriteError};

use crate::scope::Scope;

/// An observed-remove set: adding an element wins over a concurrent removal.
#[derive(Clone)]
pub struct Set {
    scope: Scope,
    slot: Slot,
}

impl Set {
    pub(crate) fn new(scope: Scope, slot: Slot) -> Self {
        Self { scope, slot }
    }

    /// Adds an element. False when it was there already.
    ///
    /// # Errors
    /// [`crate::WriteError`].
    pub async fn insert(&self, element: impl AsRef<[u8]>) -> Result<bool, WriteError> {
        self.scope.write(|tx| tx.set_add(&self.slot, element.as_ref())).await
    }

    /// Removes an element. False when it was not there.
    ///
    /// # Errors
    /// [`crate::WriteError`].
    pub async fn remove(&self, element: impl AsRef<[u8]>) -> Result<bool, WriteError> {
        self.scope.write(|tx| tx.set_remove(&self.slot, element.as_ref())).await
    }

    /// Is this in the set?
    pub fn contains(&self, element: impl AsRef<[u8]>) -> bool {
        self.scope.read(|view| view.set_contains(&self.slot, element.as_ref()))
    }

    /// All elements, in byte order.
    pub fn elements(&self) -> Vec<Bytes> {
        let read =
            self.scope.read(|view| view.set_elements(&self.slot).map(Bytes::copy_from_slice).collect());
        let mut all: Vec<Bytes> = read;
        all.sort_unstable();
        all
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.scope.read(|view| view.set_len(&self.slot))
    }

    /// True without any element.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
