//! A store of typed values under keys, with the calls of a gossip server: put, get, get all and delete; push and pull with
//! one member, one round of anti-entropy now, synchronisation with all.
//!
//! It is a scope seen in another way. What is put is one atomic batch on its way to all members at once, and what the calls
//! with a member wait for is anti-entropy of that scope, begun now instead of at the next round.
//!
//! ```no_run
//! # use std::time::Duration;
//! # use damson::Node;
//! # use damson::gossip::{GossipConfig, Typed};
//! # async fn example(node: Node) -> Result<(), Box<dyn std::error::Error>> {
//! let store = node.gossip("app")?;
//! store.put("title", Typed::LwwRegister("damson".into())).await?;
//! store.put("tags", Typed::OrSet(["green".into(), "ripe".into()].into())).await?;
//! for (key, value) in store.get_all() {
//!     println!("{key:?} is a {}: {value:?}", value.kind());
//! }
//! for (member, end) in store.force_sync(Duration::from_secs(5)).await {
//!     println!("{member}: {end:?}"); // a member that does not answer is an error here, never a crash
//! }
//! # Ok(()) }
//! ```

mod config;
mod exchange;
mod typed;

use std::collections::BTreeMap;

use bytes::Bytes;
use damson_core::crdt::NodeId;
use damson_core::replica::{Slot, WriteError};
use damson_core::scope::ScopeNameError;

pub use config::{GossipConfig, GossipConfigError};
pub use exchange::SyncError;
pub use typed::{GCounter, Typed, TypedKind};

use crate::node::Node;
use crate::scope::Scope;

/// A scope as a store of typed values. Cheap to clone.
#[derive(Clone)]
pub struct GossipStore {
    scope: Scope,
}

/// A value that could not be read or written. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GossipError {
    /// There is no such key.
    #[error("there is no such key")]
    NotFound,
    /// The key holds a value of another type. It has to be deleted first.
    #[error("the key holds a {holds}, not a {wanted}; nothing was written")]
    TypeMismatch {
        /// What it holds.
        holds: TypedKind,
        /// What was to be written.
        wanted: TypedKind,
    },
    /// The key holds something that is none of the four types: a map, a flag, a text of the Redis protocol.
    #[error("the key holds a {holds}, which is no value of a gossip store; nothing was written")]
    Foreign {
        /// What it holds.
        holds: damson_core::crdt::Kind,
    },
    /// A counter that only grows was to be brought below the sum that is seen here.
    #[error("the gcounter stands at {at} and cannot shrink to {wanted}; nothing was written")]
    Shrinks {
        /// Its sum, as this node sees it.
        at: u64,
        /// What was to be written.
        wanted: u64,
    },
    /// The write was refused.
    #[error(transparent)]
    Write(#[from] WriteError),
}

/// What a gossip store says about itself. The counts are since the start; those of pushes and pulls are of the whole node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GossipStats {
    /// This node.
    pub node_id: NodeId,
    /// The cluster.
    pub realm: String,
    /// Keys that exist in the scope.
    pub states: usize,
    /// The other members that host the scope and are present.
    pub peers: usize,
    /// Payloads with changes that were sent, counted for each link.
    pub push_count: u64,
    /// Pulls that were completed.
    pub pull_count: u64,
    /// Batches and transfers of others that were merged into the scope.
    pub merge_count: u64,
    /// Merges that left concurrent live dots in a cell of the scope: two have written the same, and neither had seen the other.
    pub conflict_count: u64,
}

impl Node {
    /// A scope as a store of typed values.
    ///
    /// # Errors
    /// As [`Node::scope`].
    pub fn gossip(&self, scope: &str) -> Result<GossipStore, ScopeNameError> {
        Ok(GossipStore { scope: self.scope(scope)? })
    }
}

impl GossipStore {
    /// The scope itself, for everything else.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Writes a value, as one atomic batch: a register takes it, a set becomes just this set, a counter is brought to this sum.
    ///
    /// Every element of a set is written anew, so that it survives a concurrent removal; to add or remove one there is
    /// [`Scope::set`]. A counter takes the difference to the sum that is seen here: two that put at once add both differences;
    /// to count there are [`Scope::counter`] and [`GossipStore::gcounter`]. An empty set is no key.
    ///
    /// # Errors
    /// [`GossipError`]. A type mismatch, a gcounter that would shrink and whatever is over a limit are found before anything
    /// is written.
    pub async fn put(&self, key: impl Into<Bytes>, value: Typed) -> Result<(), GossipError> {
        let slot = Slot::key(key);
        let limits = self.scope.driver().look(|node, _| node.config().replica.limits.clone());
        let put = self.scope.write(|tx| Ok(typed::put(tx, &slot, &value, &limits)));
        put.await.map_err(GossipError::Write)?
    }

    /// The value of a key.
    ///
    /// # Errors
    /// [`GossipError::NotFound`], [`GossipError::Foreign`].
    pub fn get(&self, key: impl Into<Bytes>) -> Result<Typed, GossipError> {
        let slot = Slot::key(key);
        self.scope.read(|view| typed::get(view, &slot))
    }

    /// All keys with their values, as of one instant. Keys that hold something else than the four types are left out. For a
    /// large scope there is [`View::scan`](crate::View::scan).
    pub fn get_all(&self) -> BTreeMap<Bytes, Typed> {
        self.scope.read(|view| {
            let typed =
                |(key, _)| typed::get(view, &Slot::key(Bytes::clone(&key))).ok().map(|value| (key, value));
            view.keys().filter_map(typed).collect()
        })
    }

    /// Removes a key, whatever it holds: all that is seen of it here, and it does not come back. False when there was none.
    ///
    /// # Errors
    /// [`GossipError::Write`].
    pub async fn delete(&self, key: impl Into<Bytes>) -> Result<bool, GossipError> {
        Ok(self.scope.remove(key).await?)
    }

    /// A counter that only grows, to count with.
    pub fn gcounter(&self, key: impl Into<Bytes>) -> GCounter {
        GCounter::new(self.scope.clone(), Slot::key(key))
    }

    /// What this store says about itself.
    pub fn stats(&self) -> GossipStats {
        self.scope.driver().look(|node, _| {
            let replica = node.replica(self.scope.name());
            let counters = replica.map(|replica| replica.counters()).unwrap_or_default();
            GossipStats {
                node_id: node.id(),
                realm: node.config().realm.clone(),
                states: replica.map_or(0, |replica| replica.keys()),
                peers: node.hosts(self.scope.name()).len() - 1,
                push_count: node.broadcast_counters().payloads_sent,
                pull_count: node.sync_counters().pulled,
                merge_count: counters.applied + counters.synced().map(|(_, count)| count).sum::<u64>(),
                conflict_count: counters.conflicts,
            }
        })
    }
}
