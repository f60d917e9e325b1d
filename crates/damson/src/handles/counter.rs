//! Numbers.

use std::sync::Arc;

use damson_core::crdt::Actor;
use damson_core::replica::{Slot, WriteError};

use crate::driver::Reading;
use crate::scope::Scope;
use crate::watch::{Followed, Following};

/// A counter that goes up and down: exact under crashes, restarts and concurrent resets.
#[derive(Clone)]
pub struct Counter {
    scope: Scope,
    slot: Slot,
}

/// A counter's value, at hand: reading it waits for no writer. Keeping it so costs each write to its key a look at the counter.
pub struct CounterReader {
    counter: Counter,
    /// Until the end, so that changes are told at all.
    _following: Following,
    reading: Option<Arc<Reading>>,
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

    /// Keeps the sum at hand, for those who read it often.
    pub fn reader(&self) -> CounterReader {
        let (driver, scope) = (self.scope.driver().clone(), self.scope.name().clone());
        let following = Following::open(driver.clone(), scope.clone(), Followed::Keys(self.slot.key.clone()));
        let reading = Some(driver.reading(&scope, &self.slot));
        CounterReader { counter: self.clone(), _following: following, reading }
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

impl CounterReader {
    /// The sum over all actors; 0 when nothing was counted. What was written here before is in it.
    pub fn get(&self) -> i64 {
        self.reading.as_ref().map_or(0, |reading| reading.get())
    }

    /// The sum, but never below zero.
    pub fn get_clamped(&self) -> u64 {
        u64::try_from(self.get()).unwrap_or(0)
    }
}

impl Drop for CounterReader {
    fn drop(&mut self) {
        self.reading = None;
        let Counter { scope, slot } = &self.counter;
        scope.driver().end_reading(scope.name(), slot);
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
