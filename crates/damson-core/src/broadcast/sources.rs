//! Possible authors, numbered.

use std::hash::{BuildHasherDefault, Hasher};

use damson_crdt::NodeId;
use xxhash_rust::xxh3::xxh3_64;

/// The authors that a node knows of, each under a number. Nodes number them as they come; only keys travel.
///
/// A key is 32 bits of a hash of the id. Should two authors share one they share a tree, which costs some redundancy and
/// loses nothing.
#[derive(Debug, Clone, Default)]
pub struct SourceTable {
    keys: Vec<u32>,
    slots: Slots,
}

#[expect(clippy::disallowed_types, reason = "looked up for each distance that comes, and never iterated")]
type Slots = std::collections::HashMap<u32, u32, BuildHasherDefault<AsIs>>;

/// Keys are hashes already.
#[derive(Debug, Clone, Default)]
struct AsIs(u64);

impl SourceTable {
    /// A table of these nodes.
    pub fn of(ids: impl IntoIterator<Item = NodeId>) -> Self {
        let mut table = Self::default();
        ids.into_iter().for_each(|id| _ = table.insert(key_of(id)));
        table
    }

    /// How many authors have a number.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Is there none?
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// A node's number, which it may share.
    pub fn number_of(&self, id: NodeId) -> Option<usize> {
        self.slot(key_of(id))
    }

    pub(super) fn slot(&self, key: u32) -> Option<usize> {
        self.slots.get(&key).map(|slot| *slot as usize)
    }

    pub(super) fn key(&self, slot: usize) -> u32 {
        self.keys[slot]
    }

    pub(super) fn insert(&mut self, key: u32) -> usize {
        let slot = *self.slots.entry(key).or_insert_with(|| {
            self.keys.push(key);
            u32::try_from(self.keys.len() - 1).expect("fewer than 2^32 sources")
        });
        slot as usize
    }

    /// Gives a slot that is not needed any more to another key.
    pub(super) fn reuse(&mut self, slot: usize, key: u32) {
        let old = std::mem::replace(&mut self.keys[slot], key);
        self.slots.remove(&old);
        self.slots.insert(key, u32::try_from(slot).expect("fewer than 2^32 sources"));
    }
}

/// What stands for an author on the wire.
pub(super) fn key_of(id: NodeId) -> u32 {
    (xxh3_64(&id.0) >> 32) as u32
}

impl Hasher for AsIs {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |all, byte| all << 8 | u64::from(*byte));
    }

    fn write_u32(&mut self, key: u32) {
        // The upper bits choose within a group of the table.
        self.0 = u64::from(key).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
