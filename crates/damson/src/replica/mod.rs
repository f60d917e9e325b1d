//! State of one's own over the replication engine: an implementation is told what changes, keeps what it likes of it, and the
//! engine does the rest.
//!
//! An *instance* is a scope whose entries are keys with last-writer-wins values. Writes, merging, anti-entropy, storage are the
//! engine's. The implementation runs on a thread of its own and is told entry by entry what is so now:
//!
//! ```text
//!   add, remove ----> scope ----> changed keys ----> validate ----> Replica::merge_delta      on the instance's thread
//!   other members --'               roster ----------------------> Replica::remove_node
//!   broadcast_custom -------------> casts -----------------------> Replica::merge_custom
//! ```
//!
//! What it is told is the state and not the writes: of several changes of an entry only the last may be told, and one may be told
//! twice. Whoever starts late, was too slow, or was made anew after a panic, is told everything, beginning with a delta that
//! [starts over](Delta::starts_over). `docs/replica.md` says what is promised.

mod delta;
mod error;
mod instance;
mod telling;
pub mod wire;

pub use delta::{Delta, Entry};
pub use error::InstanceError;
pub use instance::{Instance, InstanceCounters, ReplicaBuilder};

use bytes::Bytes;
use damson_core::crdt::NodeId;

use crate::ScopeName;

/// State of one's own, told what the entries of an instance are.
///
/// One implementation can serve many instances: each callback is given the name. A callback may take its time, and blocks nobody
/// but its own instance; one that panics costs what the instance holds, which is then made anew and told everything.
pub trait Replica: Send + 'static {
    /// These entries are so now: written here or elsewhere.
    fn merge_delta(&mut self, name: &ScopeName, delta: &Delta);

    /// A member has left, has died, or was forgotten; should it return, its entries are told again only as they change. To do
    /// nothing is a valid choice: the entries stay.
    fn remove_node(&mut self, name: &ScopeName, node: NodeId) {
        let _ = (name, node);
    }

    /// Somebody has sent a payload of its own under this name ([`Instance::broadcast_custom`]), perhaps this node. Each comes
    /// once.
    fn merge_custom(&mut self, name: &ScopeName, from: NodeId, payload: Bytes) {
        let _ = (name, from, payload);
    }

    /// So many such payloads of a member will not come: nobody can give them any more, or this instance was too slow.
    fn lose_custom(&mut self, name: &ScopeName, from: NodeId, payloads: u64) {
        let _ = (name, from, payloads);
    }
}
