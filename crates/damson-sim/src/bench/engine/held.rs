//! A map that does nothing but to be there, for those who measure memory.

use super::super::entry::{key, value};
use super::bare::Bare;
use super::replica::Engine;

/// Entries that are held at least: fewer would drown in what an allocator keeps in reserve.
const ENTRIES_MIN: usize = 100_000;

/// Which of the two maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The bare hash map.
    HashMap,
    /// The replica, after local writes.
    Engine,
}

/// Maps that are held until this is dropped.
pub struct Held {
    entries: usize,
    _bare: Vec<Bare>,
    _engines: Vec<Engine>,
}

impl Held {
    /// How many entries all maps have together.
    pub fn entries(&self) -> usize {
        self.entries
    }
}

/// Fills a map with so many keys; several, where they are small.
pub fn hold(side: Side, keys: usize) -> Held {
    let copies = ENTRIES_MIN.div_ceil(keys);
    let (bare, engines) = match side {
        Side::HashMap => (copies, 0),
        Side::Engine => (0, copies),
    };
    Held {
        entries: copies * keys,
        _bare: (0..bare).map(|_| bare_of(keys)).collect(),
        _engines: (0..engines).map(|_| engine_of(keys)).collect(),
    }
}

fn bare_of(keys: usize) -> Bare {
    let mut bare = Bare::default();
    (0..keys).for_each(|n| bare.insert(&key(n as u64), &value(n)));
    bare
}

fn engine_of(keys: usize) -> Engine {
    let mut engine = Engine::new();
    (0..keys).for_each(|n| engine.put(&key(n as u64), &value(n)));
    engine
}
