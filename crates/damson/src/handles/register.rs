//! Registers of serde values or bytes.

use std::marker::PhantomData;

use damson_core::replica::{Slot, WriteError};

use crate::scope::Scope;
use crate::value::{Value, ValueError};

/// A last-writer-wins register: among concurrent writes the one with the greatest (time, actor) wins.
#[derive(Clone)]
pub struct Register<T> {
    scope: Scope,
    slot: Slot,
    value: PhantomData<T>,
}

/// A register that keeps all concurrent values until one is written that has seen them.
#[derive(Clone)]
pub struct MultiRegister<T> {
    scope: Scope,
    slot: Slot,
    value: PhantomData<T>,
}

impl<T: Value> Register<T> {
    pub(crate) fn new(scope: Scope, slot: Slot) -> Self {
        Self { scope, slot, value: PhantomData }
    }

    /// The value; `None` when there is none.
    ///
    /// # Errors
    /// When the stored bytes are no such value.
    pub fn get(&self) -> Result<Option<T>, ValueError> {
        self.scope.read(|view| view.register(&self.slot)).map(T::decode).transpose()
    }

    /// Writes the value.
    ///
    /// # Errors
    /// [`crate::WriteError`], and what the value's encoding refuses.
    pub async fn put(&self, value: &T) -> Result<(), PutError> {
        let bytes = value.encode()?;
        Ok(self.scope.write(|tx| tx.put_register(&self.slot, bytes, None)).await?)
    }

    /// Writes the value for some time, after which the register is as if it had been removed.
    ///
    /// # Errors
    /// As [`Register::put`].
    pub async fn put_for(&self, value: &T, time_to_live: std::time::Duration) -> Result<(), PutError> {
        let bytes = value.encode()?;
        let ms = u64::try_from(time_to_live.as_millis()).unwrap_or(u64::MAX);
        let put = |tx: &mut damson_core::replica::Tx<'_>| {
            let ends = tx.wall_ms().saturating_add(ms);
            tx.put_register(&self.slot, bytes, Some(ends))
        };
        Ok(self.scope.write(put).await?)
    }

    /// Removes the value. False when there was none.
    ///
    /// # Errors
    /// [`crate::WriteError`].
    pub async fn remove(&self) -> Result<bool, WriteError> {
        self.scope.write(|tx| Ok(tx.remove(&self.slot))).await
    }
}

impl<T: Value> MultiRegister<T> {
    pub(crate) fn new(scope: Scope, slot: Slot) -> Self {
        Self { scope, slot, value: PhantomData }
    }

    /// All concurrent values.
    ///
    /// # Errors
    /// When stored bytes are no such value.
    pub fn get(&self) -> Result<Vec<T>, ValueError> {
        self.scope.read(|view| view.multi(&self.slot)).into_iter().map(T::decode).collect()
    }

    /// Replaces the values that are seen here.
    ///
    /// # Errors
    /// [`crate::WriteError`], and what the value's encoding refuses.
    pub async fn put(&self, value: &T) -> Result<(), PutError> {
        let bytes = value.encode()?;
        Ok(self.scope.write(|tx| tx.put_multi(&self.slot, bytes)).await?)
    }
}

/// A value that was not written. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PutError {
    /// The value cannot be represented.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// The write was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
}
