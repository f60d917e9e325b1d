//! Where records lie: in a scope that all share, or with this node alone.

use std::collections::BTreeMap;

use bytes::Bytes;
use damson_core::crdt::NodeId;
use damson_core::replica::{Slot, WriteError};
use parking_lot::Mutex;

use super::layout::{At, Base, Update, base_key, owner_of, update_key};
use crate::scope::Scope;

/// Updates that are read at once.
const UPDATES_MAX: u64 = 4_096;

pub(super) enum Shelf {
    /// The scope of everybody's records.
    Shared(Scope),
    /// Of a publisher that stands alone.
    Alone(Mutex<BTreeMap<Bytes, Bytes>>),
}

/// What an owner's records say beyond what is known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// Everything at some number, unless only the updates behind what is known are to be applied.
    pub base: Option<Base>,
    /// The updates behind that, one after the other.
    pub updates: Vec<Update>,
}

impl News {
    pub fn is_empty(&self) -> bool {
        self.base.is_none() && self.updates.is_empty()
    }
}

impl Shelf {
    /// What is new of an owner, from one consistent look. `None` when nothing is there.
    pub fn news(&self, owner: NodeId, known: Option<At>) -> Option<News> {
        match self {
            Self::Shared(scope) => scope.read(|view| {
                // Only the owner writes its records: what others write in its place is not believed.
                let get = |key: Bytes| {
                    let (value, stamp) = view.stamped(&Slot::key(key))?;
                    (stamp.dot.actor.node == owner).then_some(value)
                };
                news(&get, owner, known)
            }),
            Self::Alone(records) => {
                let records = records.lock();
                news(&|key| records.get(&key).cloned(), owner, known)
            }
        }
    }

    /// Writes and removes records, all or none.
    pub async fn write(&self, puts: Vec<(Bytes, Bytes)>, removed: Vec<Bytes>) -> Result<(), WriteError> {
        match self {
            Self::Shared(scope) => {
                let write = |tx: &mut crate::Tx<'_>| {
                    for (key, value) in puts {
                        tx.put_register(&Slot::key(key), value, None)?;
                    }
                    removed.into_iter().for_each(|key| _ = tx.remove(&Slot::key(key)));
                    Ok(())
                };
                scope.write(write).await
            }
            Self::Alone(records) => {
                let mut records = records.lock();
                records.extend(puts);
                removed.iter().for_each(|key| _ = records.remove(key));
                Ok(())
            }
        }
    }

    /// Is there such a record?
    pub fn holds(&self, key: &Bytes) -> bool {
        match self {
            Self::Shared(scope) => scope.read(|view| view.kind(&Slot::key(key.clone())).is_some()),
            Self::Alone(records) => records.lock().contains_key(key),
        }
    }

    /// The keys of an owner's updates between these numbers, of runs of before too when it begins at 0.
    pub fn keys_of_updates(&self, owner: NodeId, after: u64, last: u64) -> Vec<Bytes> {
        if after == 0 {
            return self.keys_of(owner).into_iter().filter(|key| *key != base_key(owner)).collect();
        }
        (after + 1..=last).map(|number| update_key(owner, number)).collect()
    }

    /// The keys of all records of an owner. Looks at all keys of the scope.
    pub fn keys_of(&self, owner: NodeId) -> Vec<Bytes> {
        let is_its = |key: &Bytes| owner_of(key) == Some(owner);
        match self {
            Self::Shared(scope) => {
                scope.read(|view| view.keys().map(|(key, _)| key).filter(is_its).collect())
            }
            Self::Alone(records) => records.lock().keys().filter(|key| is_its(key)).cloned().collect(),
        }
    }
}

fn news(get: &dyn Fn(Bytes) -> Option<Bytes>, owner: NodeId, known: Option<At>) -> Option<News> {
    let base = Base::decode(get(base_key(owner))?)?;
    let is_same = |known: At| (known.epoch, known.version) == (base.at.epoch, base.at.version);
    let follows = known.is_some_and(|known| is_same(known) && known.number >= base.at.number);
    let from = if follows { known.expect("it follows something") } else { base.at };
    let update = |number| Update::decode(get(update_key(owner, number))?).filter(|u| u.epoch == from.epoch);
    let updates = (from.number + 1..=from.number + UPDATES_MAX).map_while(update).collect();
    Some(News { base: (!follows).then_some(base), updates })
}
