//! The replica, used as a node uses it.

use std::hint::black_box;

use bytes::Bytes;
use damson_core::replica::{Applied, Followers, Replica, ReplicaConfig, Slot};
use damson_core::time::Time;
use damson_crdt::{Actor, Batch, Clock, Digest, Life, NodeId, Rules};

/// The wall time of all that happens: nothing here depends on it.
pub const WALL_MS: u64 = 1_790_000_000_000;
/// Who writes locally.
pub const ACTOR: Actor = Actor::new(NodeId([1; 16]), Life(1));
/// From whom batches come.
const PEER: NodeId = NodeId([2; 16]);
/// The key of the one large set.
const SET: &[u8] = b"set";

/// A replica in memory.
pub struct Engine {
    replica: Replica,
    clock: Clock,
}

impl Engine {
    pub fn new() -> Self {
        Self::of(ACTOR)
    }

    /// One where somebody else writes locally.
    pub fn of(actor: Actor) -> Self {
        let name = "bench".parse().expect("a sound name");
        let mut replica = Replica::new(name, actor, ReplicaConfig::default(), Rules::default());
        // As in a node without a directory that nobody watches.
        replica.follow(Followers { rows: false, keys: false });
        Self { replica, clock: Clock::default() }
    }

    /// A local write of one key, as a transaction of its own.
    pub fn put(&mut self, key: &[u8], value: &[u8]) {
        let slot = Slot::key(Bytes::copy_from_slice(key));
        let mut tx = self.replica.begin(self.clock.tick(WALL_MS), WALL_MS);
        tx.put_register(&slot, Bytes::copy_from_slice(value), None).expect("within all limits");
        black_box(tx.commit());
        self.take_changes();
    }

    /// A new element of the one large set, as a transaction of its own.
    pub fn set_add(&mut self, element: &[u8]) -> Batch {
        let mut tx = self.replica.begin(self.clock.tick(WALL_MS), WALL_MS);
        tx.set_add(&set(), element).expect("within all limits");
        let batch = tx.commit().expect("the element is new");
        self.take_changes();
        batch
    }

    /// A batch from a peer. It has to be new.
    pub fn merge(&mut self, batch: &Batch) {
        let applied = self.replica.apply(batch, PEER, Time::default());
        assert_eq!(applied, Applied::New);
        self.take_changes();
    }

    /// Batches that come in one frame.
    pub fn merge_together(&mut self, batches: &[Batch]) {
        let mut looked_at = 0;
        for (at, batch) in batches.iter().enumerate() {
            if at == looked_at {
                looked_at += self.replica.look_ahead(&batches[at..]);
            }
            self.merge(batch);
        }
    }

    pub fn get(&self, slot: &Slot) -> Option<Bytes> {
        self.replica.view(WALL_MS).register(slot)
    }

    /// Forgets removals, so that what was cleared away leaves nothing.
    pub fn forget_removals(&mut self) {
        self.replica.truncate_removals(0);
        self.take_changes();
    }

    pub fn len(&self) -> usize {
        self.replica.keys()
    }

    /// Elements of the one large set.
    pub fn set_len(&self) -> usize {
        self.replica.view(WALL_MS).set_len(&set())
    }

    pub fn digest(&self) -> Digest {
        self.replica.digest()
    }

    /// As a node does after each write and each frame.
    fn take_changes(&mut self) {
        black_box(self.replica.take_rows());
    }
}

fn set() -> Slot {
    Slot::key(Bytes::from_static(SET))
}
