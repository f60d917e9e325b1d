//! The four types, and how they lie in a scope.
//!
//! A register, a set and a pncounter are what the typed handles write under the same key. A gcounter is a map with one field,
//! a counter: so its type stands in the cluster like any other, and one that two nodes declare differently at once ends as the
//! same on all (rule 7).

use std::collections::BTreeSet;
use std::fmt;

use bytes::Bytes;
use damson_core::crdt::{Kind, LimitError, Limits};
use damson_core::replica::{Slot, Tx, View, WriteError};

use super::GossipError;
use crate::scope::Scope;

/// The field in which a gcounter counts.
const GROWS: &[u8] = b"gcounter";
/// A transaction leaves so much room below the limit of operations.
const OPERATIONS_SPARE: usize = 64;

/// A value with its type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Typed {
    /// The last writer wins.
    LwwRegister(Bytes),
    /// An observed-remove set: adding wins over a concurrent removal.
    OrSet(BTreeSet<Bytes>),
    /// A counter that only grows, at most to 2^63 - 1.
    GCounter(u64),
    /// A counter that goes up and down.
    PnCounter(i64),
}

/// One of the four types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TypedKind {
    /// `lww_register`.
    LwwRegister,
    /// `or_set`.
    OrSet,
    /// `gcounter`.
    GCounter,
    /// `pncounter`.
    PnCounter,
}

/// A counter that only grows. Cheap to make and to clone.
#[derive(Clone)]
pub struct GCounter {
    scope: Scope,
    slot: Slot,
}

impl Typed {
    /// Its type.
    pub fn kind(&self) -> TypedKind {
        match self {
            Self::LwwRegister(_) => TypedKind::LwwRegister,
            Self::OrSet(_) => TypedKind::OrSet,
            Self::GCounter(_) => TypedKind::GCounter,
            Self::PnCounter(_) => TypedKind::PnCounter,
        }
    }
}

/// As the gossip protocols write it.
impl fmt::Display for TypedKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LwwRegister => "lww_register",
            Self::OrSet => "or_set",
            Self::GCounter => "gcounter",
            Self::PnCounter => "pncounter",
        })
    }
}

impl GCounter {
    pub(super) fn new(scope: Scope, slot: Slot) -> Self {
        Self { scope, slot }
    }

    /// The sum over all actors; 0 when nothing was counted.
    pub fn get(&self) -> u64 {
        self.scope.read(|view| sum(view, &self.slot))
    }

    /// Adds, and returns the sum as this node sees it.
    ///
    /// # Errors
    /// [`GossipError::TypeMismatch`], [`GossipError::Foreign`], [`GossipError::Write`]: overflow among others.
    pub async fn add(&self, n: u64) -> Result<u64, GossipError> {
        let add = |tx: &mut Tx<'_>| {
            check_type(tx.view(), &self.slot, TypedKind::GCounter)?;
            Ok(unsigned(tx.add(&self.slot.field(GROWS), signed(n)?)?))
        };
        self.scope.write(|tx| Ok(add(tx))).await?
    }
}

/// The value at a key.
pub(super) fn get(view: View<'_>, slot: &Slot) -> Result<Typed, GossipError> {
    Ok(match kind(view, slot)?.ok_or(GossipError::NotFound)? {
        TypedKind::LwwRegister => Typed::LwwRegister(view.register(slot).ok_or(GossipError::NotFound)?),
        TypedKind::OrSet => Typed::OrSet(elements(view, slot)),
        TypedKind::GCounter => Typed::GCounter(sum(view, slot)),
        TypedKind::PnCounter => Typed::PnCounter(view.counter(slot).unwrap_or(0)),
    })
}

/// Writes a value, or nothing at all.
pub(super) fn put(tx: &mut Tx<'_>, slot: &Slot, value: &Typed, limits: &Limits) -> Result<(), GossipError> {
    check_type(tx.view(), slot, value.kind())?;
    match value {
        Typed::LwwRegister(bytes) => tx.put_register(slot, bytes.clone(), None)?,
        Typed::OrSet(wanted) => put_set(tx, slot, wanted, limits)?,
        Typed::GCounter(wanted) => put_gcounter(tx, slot, *wanted)?,
        Typed::PnCounter(wanted) => {
            let at = tx.view().counter(slot).unwrap_or(0);
            tx.add(slot, wanted.checked_sub(at).ok_or(WriteError::Overflow)?)?;
        }
    }
    Ok(())
}

fn put_set(
    tx: &mut Tx<'_>,
    slot: &Slot,
    wanted: &BTreeSet<Bytes>,
    limits: &Limits,
) -> Result<(), GossipError> {
    let gone: Vec<Bytes> = elements(tx.view(), slot).difference(wanted).cloned().collect();
    let longest = wanted.iter().map(Bytes::len).max().unwrap_or(0);
    let operations = wanted.len() + gone.len() + OPERATIONS_SPARE;
    let check = || {
        LimitError::check("key bytes", slot.key.len(), limits.key_bytes_max)?;
        LimitError::check("set element bytes", longest, limits.element_bytes_max)?;
        LimitError::check("operations in a batch", operations, limits.batch_ops_max)
    };
    check().map_err(WriteError::Limit)?;
    tx.admit(wanted.iter().map(|element| element.len() as u64).sum())?;
    for element in gone {
        tx.set_remove(slot, &element)?;
    }
    for element in wanted {
        tx.set_add(slot, element)?;
    }
    Ok(())
}

fn put_gcounter(tx: &mut Tx<'_>, slot: &Slot, wanted: u64) -> Result<(), GossipError> {
    let at = sum(tx.view(), slot);
    let more = wanted.checked_sub(at).ok_or(GossipError::Shrinks { at, wanted })?;
    tx.add(&slot.field(GROWS), signed(more)?)?;
    Ok(())
}

fn check_type(view: View<'_>, slot: &Slot, wanted: TypedKind) -> Result<(), GossipError> {
    match kind(view, slot)? {
        Some(holds) if holds != wanted => Err(GossipError::TypeMismatch { holds, wanted }),
        _ => Ok(()),
    }
}

fn kind(view: View<'_>, slot: &Slot) -> Result<Option<TypedKind>, GossipError> {
    let Some(holds) = view.kind(slot) else { return Ok(None) };
    Ok(Some(match holds {
        Kind::Register => TypedKind::LwwRegister,
        Kind::Set => TypedKind::OrSet,
        Kind::Counter => TypedKind::PnCounter,
        Kind::Map if is_gcounter(view, slot) => TypedKind::GCounter,
        _ => return Err(GossipError::Foreign { holds }),
    }))
}

/// Has the map this field only, and in it a counter?
fn is_gcounter(view: View<'_>, slot: &Slot) -> bool {
    view.kind(&slot.field(GROWS)) == Some(Kind::Counter) && view.map_len(slot) == 1
}

fn elements(view: View<'_>, slot: &Slot) -> BTreeSet<Bytes> {
    view.set_elements(slot).map(Bytes::copy_from_slice).collect()
}

fn sum(view: View<'_>, slot: &Slot) -> u64 {
    unsigned(view.counter(&slot.field(GROWS)).unwrap_or(0))
}

/// Who writes past this module could have subtracted.
fn unsigned(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

fn signed(n: u64) -> Result<i64, WriteError> {
    i64::try_from(n).map_err(|_| WriteError::Overflow)
}
