//! The live dots of a scope: by key and cell, by dot, and as a fingerprint.
//!
//! Every change of a cell goes through [`Live::edit`], which keeps the index, the fingerprint, the number of existing
//! keys and the list of keys that expire in step. Its cost does not grow with the state: a key is one look into a hash
//! table, a dot one into the pages of its author.

pub(super) mod cost;
mod dots;
mod entry;
mod items;
mod places;
mod table;

use std::collections::BTreeSet;

use damson_crdt::{
    Cell, CellId, Contents, Context, Dot, DotRange, Fingerprint, Key, Kills, LiveDot, NodeId, Payload, Rule,
    Rules,
};
use smallvec::SmallVec;

use dots::DotIndex;
use table::{KeyTable, hash_of, key_bytes};

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
    /// Memory of keys, cells and ends.
    bytes: u64,
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
            bytes: 0,
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

    /// Memory of keys, of their cells, and of the list of those that end, in bytes.
    pub fn cell_bytes(&self) -> u64 {
        self.bytes
    }

    /// The same, and the index of dots: it follows the dots that are alive, but a dot alone on a page costs as much as a
    /// full page.
    pub fn memory_bytes(&self) -> u64 {
        self.bytes + self.dots.bytes()
    }

    /// [`Live::memory_bytes`], counted anew.
    pub fn memory_bytes_again(&self) -> u64 {
        let keys = self.keys.from(0).map(|(_, keyed)| key_bytes(&keyed.name) + keyed.entry.bytes_again());
        let ends = self.ends.iter().map(|(_, key)| end_bytes(key));
        let mut dots = DotIndex::default();
        self.dots.all().for_each(|(dot, place)| dots.insert(dot, place));
        keys.sum::<u64>() + ends.sum::<u64>() + dots.bytes()
    }

    /// By how much memory grows when a cell comes to hold one dot with a payload, in bytes; `alone` if nothing else stays at
    /// the key.
    pub fn growth(&self, id: &CellId, payload: &Payload, alone: bool) -> i64 {
        let bytes = |bytes: u64| i64::try_from(bytes).expect("less than all memory");
        let ends = matches!(
            payload,
            Payload::Value { expires_ms: Some(_), .. } | Payload::Expires(Some(_)) if id.path.last_if_plain().is_some()
        );
        let end = bytes(end_bytes(&id.key));
        let fresh = bytes(cost::path(&id.path) + cost::payload(payload)) + if ends { end } else { 0 };
        let Some(entry) = self.entry(&id.key) else { return bytes(key_bytes(&id.key)) + fresh };
        let ended = if entry.end_ms(&self.ties).is_some() { end } else { 0 };
        if alone {
            return fresh - bytes(entry.bytes()) - ended;
        }
        entry.growth(&id.path, payload) + if ends { end - ended } else { 0 }
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

    /// The first live dot that is outside a context.
    pub fn first_outside(&self, context: &Context) -> Option<Dot> {
        self.dots.first_outside(context)
    }

    /// The greatest number of a range whose dot is not alive.
    pub fn last_dead(&self, range: DotRange) -> Option<Dot> {
        self.dots.last_dead(range)
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
        self.bytes -= found.map_or(0, |_| key_bytes(&id.key) + entry.bytes());
        let cell = entry.cell_mut(&id.path);
        let held = cost::cell(cell);
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
        let (is_empty, holds) = (cell.is_empty(), cost::cell(cell));
        entry.recount(held, holds);
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
        } else {
            self.bytes += key_bytes(&id.key) + entry.bytes();
        }
        self.existing = self.existing + usize::from(exists) - usize::from(existed);
        if ended != ends {
            if let Some(end) = ended {
                self.ends.remove(&(end, id.key.clone()));
                self.bytes -= end_bytes(&id.key);
            }
            if let Some(end) = ends {
                self.ends.insert((end, id.key.clone()));
                self.bytes += end_bytes(&id.key);
            }
        }
        born.iter().chain(&dead).for_each(|(_, contents)| self.toggle(hash, *contents));
        if self.scratch.capacity() > SCRATCH_BYTES_MAX {
            self.scratch = Vec::new();
        }
    }
}

/// Memory of a key in the list of those that end.
fn end_bytes(key: &[u8]) -> u64 {
    cost::in_tree(size_of::<(u64, Key)>()) + cost::shared(key.len())
}
