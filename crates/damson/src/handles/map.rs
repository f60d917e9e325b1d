//! Maps: each field is a cell of its own, so that a change costs one small operation however large the map is.

use std::marker::PhantomData;

use bytes::Bytes;
use damson_core::replica::{Slot, WriteError};

use super::present::PresentMap;
use super::register::{PutError, Register};
use super::{Counter, Set};
use crate::scope::Scope;
use crate::value::{Value, ValueError};
use crate::watch::MapWatch;

/// An observed-remove map: a removed field stays away, unless somebody put it concurrently.
#[derive(Clone)]
pub struct Map<T> {
    scope: Scope,
    slot: Slot,
    value: PhantomData<T>,
}

impl<T: Value> Map<T> {
    pub(crate) fn new(scope: Scope, slot: Slot) -> Self {
        Self { scope, slot, value: PhantomData }
    }

    /// The value of a field.
    ///
    /// # Errors
    /// When the stored bytes are no such value.
    pub fn get(&self, field: impl AsRef<[u8]>) -> Result<Option<T>, ValueError> {
        self.scope.read(|view| view.map_get(&self.slot, field.as_ref())).map(T::decode).transpose()
    }

    /// Writes a field.
    ///
    /// # Errors
    /// [`crate::WriteError`], and what the value's encoding refuses.
    pub async fn put(&self, field: impl AsRef<[u8]>, value: &T) -> Result<(), PutError> {
        self.field(field.as_ref()).put(value).await
    }

    /// Removes a field. False when it was not there.
    ///
    /// # Errors
    /// [`crate::WriteError`].
    pub async fn remove(&self, field: impl AsRef<[u8]>) -> Result<bool, WriteError> {
        self.scope.write(|tx| tx.map_remove(&self.slot, field.as_ref())).await
    }

    /// How many fields there are.
    pub fn len(&self) -> usize {
        self.scope.read(|view| view.map_len(&self.slot))
    }

    /// True without any field.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All fields with plain values, in byte order of their names.
    ///
    /// # Errors
    /// When stored bytes are no such value.
    pub fn entries(&self) -> Result<Vec<(Bytes, T)>, ValueError> {
        let mut raw: Vec<(Bytes, Bytes)> = self.scope.read(|view| {
            let fields = view.map_fields(&self.slot);
            fields.filter_map(|f| Some((Bytes::copy_from_slice(f), view.map_get(&self.slot, f)?))).collect()
        });
        raw.sort_unstable();
        raw.into_iter().map(|(field, value)| Ok((field, T::decode(value)?))).collect()
    }

    /// Of its fields, those only whose authors take part: presence.
    pub fn present(&self) -> PresentMap<T> {
        PresentMap::new(self.scope.clone(), self.slot.clone())
    }

    /// Tells all fields, and then each that changes, without a gap.
    pub fn watch(&self) -> MapWatch<T> {
        MapWatch::open(self.scope.driver().clone(), self.scope.name().clone(), self.slot.clone())
    }

    /// A field as a register.
    pub fn field(&self, name: impl AsRef<[u8]>) -> Register<T> {
        Register::new(self.scope.clone(), self.slot.field(name.as_ref()))
    }

    /// A map in a field.
    pub fn map<U: Value>(&self, name: impl AsRef<[u8]>) -> Map<U> {
        Map::new(self.scope.clone(), self.slot.field(name.as_ref()))
    }

    /// A set in a field.
    pub fn set(&self, name: impl AsRef<[u8]>) -> Set {
        Set::new(self.scope.clone(), self.slot.field(name.as_ref()))
    }

    /// A counter in a field.
    pub fn counter(&self, name: impl AsRef<[u8]>) -> Counter {
        Counter::new(self.scope.clone(), self.slot.field(name.as_ref()))
    }
}
