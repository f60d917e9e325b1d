//! The bare hash map.

use bytes::Bytes;
use hashbrown::HashMap;

use super::super::entry::{KeyBytes, ValueBytes};

/// What it is, for those who read the figures.
pub const NAME: &str = "hashbrown with foldhash";

/// A hash map of bytes.
#[derive(Default)]
pub struct Bare(HashMap<Bytes, Bytes>);

impl Bare {
    /// Allocates key and value, and inserts them.
    pub fn insert(&mut self, key: &KeyBytes, value: &ValueBytes) {
        self.insert_ready(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
    }

    /// Inserts what was allocated before.
    pub fn insert_ready(&mut self, key: Bytes, value: Bytes) {
        self.0.insert(key, value);
    }

    /// Makes room, so that no insert has to: what was removed before counts as used.
    pub fn reserve(&mut self, entries: usize) {
        self.0.reserve(entries);
    }

    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.0.get(key).cloned()
    }

    pub fn remove(&mut self, key: &[u8]) {
        self.0.remove(key);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }
}
