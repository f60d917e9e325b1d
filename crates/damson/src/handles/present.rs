//! A map of which only the fields are seen whose authors take part: presence.

use std::marker::PhantomData;

use bytes::Bytes;
use damson_core::crdt::NodeId;
use damson_core::membership::Roster;
use damson_core::replica::{Slot, View};

use crate::scope::Scope;
use crate::value::{Value, ValueError};

/// The fields of a map that were last written by members that take part now. Nothing is removed: what a member wrote is seen
/// again when it is back.
#[derive(Clone)]
pub struct PresentMap<T> {
    scope: Scope,
    slot: Slot,
    value: PhantomData<T>,
}

/// A field, and who wrote it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct PresentField<T> {
    /// Its name.
    pub field: Bytes,
    /// Its value.
    pub value: T,
    /// The member that wrote it last.
    pub author: NodeId,
}

impl<T: Value> PresentMap<T> {
    pub(super) fn new(scope: Scope, slot: Slot) -> Self {
        Self { scope, slot, value: PhantomData }
    }

    /// The value of a field, if its author takes part.
    ///
    /// # Errors
    /// When the stored bytes are no such value.
    pub fn get(&self, field: impl AsRef<[u8]>) -> Result<Option<PresentField<T>>, ValueError> {
        let field = Bytes::copy_from_slice(field.as_ref());
        let found = self.look(|view, members| self.present(view, field, members));
        found.map(decode).transpose()
    }

    /// All fields whose authors take part, in byte order of their names.
    ///
    /// # Errors
    /// When stored bytes are no such value.
    pub fn entries(&self) -> Result<Vec<PresentField<T>>, ValueError> {
        let mut found = self.look(|view, members| {
            let fields: Vec<Bytes> = view.map_fields(&self.slot).map(Bytes::copy_from_slice).collect();
            fields.into_iter().filter_map(|field| self.present(view, field, members)).collect::<Vec<_>>()
        });
        found.sort_unstable();
        found.into_iter().map(decode).collect()
    }

    /// One look at the map and the members.
    fn look<R: Default>(&self, look: impl FnOnce(View<'_>, &Roster) -> R) -> R {
        self.scope.driver().look(|node, now| {
            let replica = node.replica(self.scope.name());
            replica.map(|replica| look(replica.view(now.wall_ms), node.roster())).unwrap_or_default()
        })
    }

    fn present(&self, view: View<'_>, field: Bytes, members: &Roster) -> Option<PresentField<Bytes>> {
        let (value, stamp) = view.stamped(&self.slot.field(&field))?;
        let author = stamp.dot.actor.node;
        let is_present = members.get(author).is_some_and(|member| member.state.is_present());
        is_present.then_some(PresentField { field, value, author })
    }
}

fn decode<T: Value>(raw: PresentField<Bytes>) -> Result<PresentField<T>, ValueError> {
    Ok(PresentField { field: raw.field, value: T::decode(raw.value)?, author: raw.author })
}
