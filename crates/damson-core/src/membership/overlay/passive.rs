//! The passive view: others that could become neighbours, with how long ago they were known to live.

use damson_crdt::NodeId;
use rand_chacha::ChaCha8Rng;

use super::pick;
use crate::wire::{Aged, Contact};

#[derive(Debug)]
pub(super) struct Passive {
    max: usize,
    entries: Vec<Aged>,
}

impl Passive {
    pub fn new(max: usize) -> Self {
        Self { max, entries: Vec::new() }
    }

    pub fn ids(&self) -> impl Iterator<Item = NodeId> {
        self.entries.iter().map(|entry| entry.contact.id)
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Adds an entry, or learns that one is younger. When full, one of `expendable` goes, else the oldest.
    pub fn add(&mut self, entry: Aged, expendable: &[NodeId]) {
        if let Some(known) = self.entries.iter_mut().find(|known| known.contact.id == entry.contact.id) {
            if entry.age <= known.age {
                *known = entry;
            }
            return;
        }
        if self.entries.len() >= self.max {
            let given = self.entries.iter().position(|known| expendable.contains(&known.contact.id));
            let oldest = || (0..self.entries.len()).max_by_key(|at| self.entries[*at].age);
            let Some(at) = given.or_else(oldest) else { return };
            self.entries.swap_remove(at);
        }
        self.entries.push(entry);
    }

    pub fn remove(&mut self, id: NodeId) {
        self.entries.retain(|entry| entry.contact.id != id);
    }

    pub fn contacts(&self) -> impl Iterator<Item = &Contact> {
        self.entries.iter().map(|entry| &entry.contact)
    }

    /// Nobody answers at this address: the first to make room.
    pub fn distrust(&mut self, address: &str) {
        let there = self.entries.iter_mut().filter(|entry| entry.contact.address == address);
        there.for_each(|entry| entry.age = u16::MAX / 2);
    }

    /// A cycle has passed.
    pub fn grow_older(&mut self) {
        self.entries.iter_mut().for_each(|entry| entry.age = entry.age.saturating_add(1));
    }

    /// Some random entries.
    pub fn sample(&self, count: usize, rng: &mut ChaCha8Rng) -> Vec<Aged> {
        pick(self.entries.to_vec(), count, rng)
    }

    /// A random entry that `wanted` agrees to.
    pub fn candidate(&self, wanted: impl Fn(NodeId) -> bool, rng: &mut ChaCha8Rng) -> Option<Contact> {
        let open = self.entries.iter().filter(|entry| wanted(entry.contact.id));
        pick(open.map(|entry| entry.contact.clone()).collect(), 1, rng).pop()
    }
}
