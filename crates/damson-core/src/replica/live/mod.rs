//! The live dots of a scope: by key and cell, by dot, and as a fingerprint.
//!
//! Every change of a cell goes through [`Live::edit`], which keeps the index, the fingerprint, the number of existing
//! keys and the list of keys that expire in step. Its cost does not grow with the state: a key is one look into a hash
//! table, a dot one into the pages of its author.

mod dots;
mod entry;
mod items;
mod places;
mod table;

use std::collections::BTreeSet;

use damson_crdt::{
    Cell, CellId, Contents, Dot, DotRange, Fingerprint, Key, Kills, LiveDot, NodeId, Rule, Rules,
};
use smallvec::SmallVec;

use dots::DotIndex;
use table::{KeyTable, hash_of};

pub(super) use entry::Entry;
pub(super) use items::{KEY_BITS, Toggle};

use crate::sketch::{self, Prefix};

/// Who wins among concurrent writes, as this node sees it: the same as every other node, unless a simulator breaks that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ties {
    pub me: NodeId,
    pub rules: Rules,
}

/// All that is alive in a scope.
#[derive(Debug)]
pub(super) struct Live {
    /// Keys in the order of their hashes, so that a cursor is a number and a scan meets every key that stays.
    keys: KeyTable,
    dots: DotIndex,
    fingerprint: Fingerprint,
    existing: usize,
    ends: BTreeSet<(u64, Key)>,
    user_bytes: u64,
    ties: Ties,
    sketch_key: sketch::Key,
    /// The first symbols of the set of live dots, once somebody has asked for them.
    prefix: Option<Prefix>,
    recording: bool,
    /// What came and went since it was last taken, while this is recorded.
    toggled: Vec<Toggle>,
    /// Kept for its memory.
    scratch: Vec<u8>,
}

/// A dot of a cell before the cell is changed.
type Before = SmallVec<[(Dot, Contents, usize); 1]>;

/// So many edits at once.
pub(super) const LOOK_AHEAD: usize = 32;

/// Memory that is kept for hashing.
const SCRATCH_BYTES_MAX: usize = 64 << 10;

impl Ties {
    /// The winning write of a cell.
    pub fn winner<'a>(&self, cell: &'a Cell) -> Option<&'a LiveDot> {
        if !self.rules.holds(Rule::TiePrefersOwn)
            && let Some(own) = cell.dots().iter().rfind(|live| live.dot.actor.node == self.me)
        {
            return Some(own);
        }
        cell.winner()
    }
}

impl Live {
    pub fn new(ties: Ties, sketch_key: sketch::Key) -> Self {
        Self {
            keys: KeyTable::default(),
            dots: DotIndex::default(),
            fingerprint: Fingerprint::default(),
            existing: 0,
            ends: BTreeSet::new(),
            user_bytes: 0,
            ties,
            sketch_key,
            prefix: None,
            recording: false,
            toggled: Vec::new(),
            scratch: Vec::new(),
        }
    }

    pub fn ties(&self) -> &Ties {
        &self.ties
    }

    pub fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Keys that exist, expired ones that nobody has killed yet included.
    pub fn existing(&self) -> usize {
        self.existing
    }

    /// Live dots.
    pub fn dots(&self) -> usize {
        self.dots.len()
    }

    /// Bytes of values that are alive.
    pub fn user_bytes(&self) -> u64 {
        self.user_bytes
    }

    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.keys.find(key).map(|place| &self.keys.at(place).entry)
    }

    pub fn cell(&self, id: &CellId) -> Option<&Cell> {
        self.entry(&id.key)?.cell(&id.path)
    }

    /// The live dots in a range, with their cells.
    pub fn in_range(&self, range: DotRange) -> impl Iterator<Item = (Dot, CellId)> {
        self.dots.in_range(range).map(|(dot, place)| (dot, self.cell_at(dot, place)))
    }

    /// All live dots in order, with their cells.
    pub fn all_dots(&self) -> impl Iterator<Item = (Dot, CellId)> {
        self.dots.all().map(|(dot, place)| (dot, self.cell_at(dot, place)))
    }

    fn cell_at(&self, dot: Dot, place: u32) -> CellId {
        let keyed = self.keys.at(place);
        let path = keyed.entry.path_of(dot).expect("a live dot has a cell").clone();
        CellId { key: Key::copy_from_slice(&keyed.name), path }
    }

    /// All cells: keys in the order of their hashes, cells in the order of their paths.
    pub fn cells(&self) -> impl Iterator<Item = (CellId, &Cell)> {
        self.keys.from(0).flat_map(|(_, keyed)| {
            let key = Key::copy_from_slice(&keyed.name);
            keyed
                .entry
                .cells()
                .map(move |(path, cell)| (CellId { key: key.clone(), path: path.clone() }, cell))
        })
    }

    /// Keys whose hashes are at least this, in their order, with their hashes.
    pub fn keys_from(&self, hash: u64) -> impl Iterator<Item = (u64, &[u8], &Entry)> {
        self.keys.from(hash).map(|(hash, keyed)| (hash, &*keyed.name, &keyed.entry))
    }

    /// Keys whose time-to-live ended before `ms`, the longest dead first.
    pub fn ended_before(&self, ms: u64) -> impl Iterator<Item = &(u64, Key)> {
        self.ends.iter().take_while(move |(end, _)| *end < ms)
    }

    /// When the next time-to-live ends.
    pub fn next_end(&self) -> Option<u64> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// Looks at all that edits of these cells, with these kills, will look at, so that the processor waits for the memory
    /// of many at once and not for one after the other: first the slots of all, then what these lead to. Changes nothing.
    pub fn look_ahead<'a>(&self, edits: impl Iterator<Item = (&'a CellId, &'a Kills)>) {
        let mut hashes: SmallVec<[u64; LOOK_AHEAD]> = SmallVec::new();
        let mut seen = 0;
        for (id, kills) in edits {
            let hash = hash_of(&id.key);
            hashes.push(hash);
            seen ^= self.keys.look_at_slot(hash);
            let first = kills.ranges().first();
            seen ^= first.map_or(0, |range| self.dots.look_at(Dot::new(range.actor, range.first)));
        }
        let places: SmallVec<[u32; LOOK_AHEAD]> =
            hashes.iter().filter_map(|hash| self.keys.likely_place(*hash)).collect();
        seen ^= places.iter().fold(0, |seen, place| seen ^ self.keys.at(*place).hash);
        let values = places.iter().map(|place| &self.keys.at(*place).entry);
        std::hint::black_box(values.fold(seen, |seen, entry| seen ^ entry.look_at()));
    }

    /// Changes a cell, and all that is derived from it.
    pub fn edit(&mut self, id: &CellId, change: impl FnOnce(&mut Cell)) {
        let ties = self.ties;
        let found = self.keys.find(&id.key);
        let place =
            found.unwrap_or_else(|| self.keys.insert(&id.key, Entry::One(id.path.clone(), Cell::default())));
        let keyed = self.keys.at_mut(place);
        let (hash, entry) = (keyed.hash, &mut keyed.entry);
        let (existed, ended) = (entry.exists(), entry.end_ms(&ties));
        let cell = entry.cell_mut(&id.path);
        let mut contents =
            |live: &LiveDot| Contents::of(&mut self.scratch, &id.key, &id.path, live, ties.rules);
        let before = |live: &LiveDot| (live.dot, contents(live), live.payload.user_bytes());
        let before: Before = cell.dots().iter().map(before).collect();
        change(cell);
        let is_born = |live: &&LiveDot| before.iter().all(|(dot, ..)| *dot != live.dot);
        let mut born: SmallVec<[(Dot, Contents); 1]> = SmallVec::new();
        for live in cell.dots().iter().filter(is_born) {
            let contents = Contents::of(&mut self.scratch, &id.key, &id.path, live, ties.rules);
            self.fingerprint.add(contents);
            self.user_bytes += live.payload.user_bytes() as u64;
            born.push((live.dot, contents));
        }
        let mut dead: SmallVec<[(Dot, Contents); 1]> = SmallVec::new();
        for (dot, contents, bytes) in before.iter().filter(|(dot, ..)| !cell.contains(*dot)) {
            self.fingerprint.remove(*contents);
            self.user_bytes -= *bytes as u64;
            dead.push((*dot, *contents));
        }
        let is_empty = cell.is_empty();
        for (dot, _) in &dead {
            entry.forget(*dot);
            self.dots.remove(*dot);
        }
        for (dot, _) in &born {
            entry.note(*dot, &id.path);
            self.dots.insert(*dot, place);
        }
        if is_empty {
            entry.tidy(&id.path);
        }
        let (exists, ends) = (entry.exists(), entry.end_ms(&ties));
        if entry.is_empty() {
            self.keys.remove(place);
        }
        self.existing = self.existing + usize::from(exists) - usize::from(existed);
        if ended != ends {
            ended.map(|end| self.ends.remove(&(end, id.key.clone())));
            ends.map(|end| self.ends.insert((end, id.key.clone())));
        }
        born.iter().chain(&dead).for_each(|(_, contents)| self.toggle(hash, *contents));
        if self.scratch.capacity() > SCRATCH_BYTES_MAX {
            self.scratch = Vec::new();
        }
    }
}
