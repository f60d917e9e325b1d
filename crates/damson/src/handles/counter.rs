//! Numbers.

use damson_core::crdt::Actor;
use damson_core::replica::{Slot, WriteError};

use crate::scope::Scope;

/// A counter that goes up and down: exact under crashes, restarts and concurrent resets.
#[derive(Clone)]
pub struct Counter {
    scope: Scope,
    slot: Slot,
}

/// A register that keeps the greatest number ever written.
#[derive(Clone)]
pub struct MaxRegister {
    scope: Scope,
    slot: Slot,
}

impl Counter {
    pub(crate) fn new(scope: Scope, slot: Slot) -> Self {
        Self { scope, slot }
    }

    /// The sum over all actors; 0 when nothing was counted.
    pub fn get(&self) -> i64 {
        self.scope.read(|view| view.counter(&self.slot)).unwrap_or(0)
    }

    /// The sum, but never below zero.
    pub fn get_clamped(&self) -> u64 {
        u64::try_from(self.get()).unwrap_or(0)
    }

    /// What each actor contributed.
    pub fn shares(&self) -> Vec<(Actor, i64)> {
        self.scope.read(|view| view.counter_shares(&self.slot))
    }

    /// Adds, and returns the sum as this node sees it.
    ///
    /// # Errors
    /// [`crate::WriteError`]: overflow among others.
    pub async fn add(&self, n: i64) -> Result<i64, WriteError> {
        self.scope.write(|tx| tx.add(&self.slot, n)).await
    }

    /// Subtracts, and returns the sum as this node sees it.
    ///
    /// # Errors
    /// As [`Counter::add`].
    pub async fn sub(&self, n: i64) -> Result<i64, WriteError> {
        let n = n.checked_neg().ok_or(WriteError::Overflow)?;
        self.add(n).await
    }

    /// Takes away all that is seen here. Concurrent additions survive.
    ///
    /// # Errors
    /// [`crate::WriteError`].
    pub async fn reset(&self) -> Result<bool, WriteError> {
        self.scope.write(|tx| Ok(tx.remove(&self.slot))).await
    }
}

impl MaxRegister {
    pub(crate) fn new(scope: Scope, slot: Slot) -> Self {
        Self { scope, slot }
    }

    /// The greatest number.
    pub fn get(&self) -> Option<i64> {
        self.scope.read(|view| view.max(&self.slot))
    }

    /// Writes a number; nothing changes when a greater one is known.
    ///
    /// # Errors
    /// [`crate::WriteError`].
    pub async fn put(&self, n: i64) -> Result<(), WriteError> {
        self.scope.write(|tx| tx.put_max(&self.slot, n)).await
    }
}
