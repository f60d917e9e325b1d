//! Being told which fields of a map change.

use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use damson_core::replica::{Slot, View};
use damson_core::scope::ScopeName;

use super::following::{Followed, Following};
use crate::driver::Driver;
use crate::value::{Value, ValueError};

/// What a watch of a map tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapChange<T> {
    /// All fields with plain values, in byte order of their names: first of all, and again when the watcher was too slow, or
    /// when the key became something else, or this map again.
    Snapshot(Vec<(Bytes, T)>),
    /// A field was put, at least once since it was told last. This is its value now.
    Put {
        /// Which.
        field: Bytes,
        /// Its value.
        value: T,
    },
    /// A field was removed.
    Removed {
        /// Which.
        field: Bytes,
    },
}

/// Tells what changes in a map, by field. Costs what has changed, however large the map is. Ends when it is dropped.
pub struct MapWatch<T> {
    following: Following,
    slot: Slot,
    value: PhantomData<T>,
}

/// What is told, as it is stored.
type Raw = MapChange<Bytes>;

impl<T: Value> MapWatch<T> {
    pub(crate) fn open(driver: Arc<Driver>, scope: ScopeName, slot: Slot) -> Self {
        let following = Following::open(driver, scope, Followed::Fields(slot.clone()));
        Self { following, slot, value: PhantomData }
    }

    /// The next change; `None` when the node has stopped and all was told. Fields that hold something else than a plain value (a counter, a
    /// set, a map) are not told.
    ///
    /// # Errors
    /// When the bytes stored in a field, or in one of a snapshot, are no such value. The next call goes on behind it.
    pub async fn next(&mut self) -> Option<Result<MapChange<T>, ValueError>> {
        let mut stopping = self.following.driver.stopping();
        loop {
            if let Some(raw) = self.take() {
                return Some(decoded(raw));
            }
            tokio::select! {
                () = self.following.changed() => {}
                _ = stopping.wait_for(|stop| *stop) => return self.take().map(decoded),
            }
        }
    }

    fn take(&self) -> Option<Raw> {
        let Following { driver, scope, pending } = &self.following;
        driver.look(|node, now| {
            // Under the node's lock: what changes after this is noted after this.
            let mut names = pending.names.lock();
            let view = node.replica(scope).map(|replica| replica.view(now.wall_ms));
            if std::mem::take(&mut names.all) {
                names.changed.clear();
                return Some(MapChange::Snapshot(
                    view.map(|view| all(&view, &self.slot)).unwrap_or_default(),
                ));
            }
            std::iter::from_fn(|| names.changed.pop_first()).find_map(|field| match &view {
                Some(view) => look(view, &self.slot, field),
                None => Some(MapChange::Removed { field }),
            })
        })
    }
}

fn all(view: &View<'_>, slot: &Slot) -> Vec<(Bytes, Bytes)> {
    let plain = |field| Some((Bytes::copy_from_slice(field), view.map_get(slot, field)?));
    let mut fields: Vec<_> = view.map_fields(slot).filter_map(plain).collect();
    fields.sort_unstable();
    fields
}

/// What is so of a field now; `None` if it holds something else than a plain value.
fn look(view: &View<'_>, slot: &Slot, field: Bytes) -> Option<Raw> {
    match view.map_get(slot, &field) {
        Some(value) => Some(MapChange::Put { field, value }),
        None if view.kind(&slot.field(&field)).is_some() => None,
        None => Some(MapChange::Removed { field }),
    }
}

fn decoded<T: Value>(raw: Raw) -> Result<MapChange<T>, ValueError> {
    Ok(match raw {
        MapChange::Snapshot(fields) => {
            let decode = |(field, value)| T::decode(value).map(|value| (field, value));
            MapChange::Snapshot(fields.into_iter().map(decode).collect::<Result<_, _>>()?)
        }
        MapChange::Put { field, value } => MapChange::Put { field, value: T::decode(value)? },
        MapChange::Removed { field } => MapChange::Removed { field },
    })
}
