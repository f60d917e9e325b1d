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
mod snapshots;
mod telling;
pub mod testing;
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

    /// What this implementation holds beside the entries, for another instance of it; `None` when that is nothing. At most 1 MiB.
    fn full_sync_snapshot(&mut self, name: &ScopeName) -> Option<Bytes> {
        let _ = name;
        None
    }

    /// The same of another member: asked for at the start, and after a panic, of each neighbour.
    fn apply_full_sync(&mut self, name: &ScopeName, from: NodeId, snapshot: Bytes) {
        let _ = (name, from, snapshot);
    }

    /// May snapshots be applied again and again? Then a member by chance is asked for its own now and then
    /// ([`ReplicaBuilder::anti_entropy_interval`]). Only if they are the whole state, and removals last in them:
    /// [`testing::check_anti_entropy`]. Of entries the engine takes care, whatever this says.
    fn anti_entropy(&self) -> bool {
        false
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
