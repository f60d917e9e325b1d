//! Another actor, whose batches are merged.

use bytes::Bytes;
use damson_crdt::codec::{decode_batches, encode_batches};
use damson_crdt::{
    Actor, Batch, CellId, Clock, Dot, Kills, Leaf, Life, Limits, NodeId, Operation, Path, Payload, Target,
};

use super::super::entry::{KeyBytes, value};
use super::replica::{ACTOR, WALL_MS};

/// Writes batches of one operation each, as one who has seen all that went before.
pub struct Author {
    actor: Actor,
    next: u64,
    clock: Clock,
    /// What is alive of each key that is there.
    alive: Vec<Dot>,
}

impl Author {
    /// Has seen so many keys, each put once, one after the other, by [`ACTOR`].
    pub fn new(keys: usize) -> Self {
        let actor = Actor::new(NodeId([2; 16]), Life(2));
        let alive = (1..=keys as u64).map(|seq| Dot::new(ACTOR, seq)).collect();
        Self { actor, next: 1, clock: Clock::default(), alive }
    }

    /// Overwrites the key at this place.
    pub fn overwrite(&mut self, at: usize, key: &KeyBytes) -> Batch {
        let kills = Kills::of([self.alive[at]]);
        self.alive[at] = Dot::new(self.actor, self.next);
        self.issue(key, kills, Some(Payload::value(Bytes::copy_from_slice(&value(at)))))
    }

    /// Puts new keys.
    pub fn put(&mut self, keys: &[KeyBytes]) -> Vec<Batch> {
        let put = |(n, key)| self.issue(key, Kills::default(), Some(Payload::value(value(n).to_vec())));
        keys.iter().enumerate().map(put).collect()
    }

    /// Removes what these put.
    pub fn remove(&mut self, puts: &[Batch], keys: &[KeyBytes]) -> Vec<Batch> {
        let dots = puts.iter().map(|put| Dot::new(put.actor, put.first));
        dots.zip(keys).map(|(dot, key)| self.issue(key, Kills::of([dot]), None)).collect()
    }

    fn issue(&mut self, key: &KeyBytes, kills: Kills, payload: Option<Payload>) -> Batch {
        let cell = CellId::new(Bytes::copy_from_slice(key), Path::root().leaf(Leaf::Register));
        let op = Operation { target: Target::Cell(cell), kills, payload };
        let first = self.next;
        self.next += 1;
        received(&Batch { actor: self.actor, first, hlc: self.clock.tick(WALL_MS), ops: [op].into() })
    }
}

/// The batch as a peer has it that reads it from the wire: with key and value in memory of their own.
pub fn received(batch: &Batch) -> Batch {
    let mut bytes = Vec::new();
    encode_batches(&mut bytes, std::slice::from_ref(batch));
    let read = decode_batches(&bytes, &Limits::default()).expect("an honest batch");
    read.into_iter().next().expect("one batch")
}
