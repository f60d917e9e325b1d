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
mod short;
mod table;

use std::collections::BTreeSet;

use damson_crdt::{
    Cell, CellId, Contents, Context, Dot, DotRange, Fingerprint, Key, Kills, LiveDot, NodeId, Payload, Rule,
    Rules,
};
use smallvec::SmallVec;

use dots::{DotIndex, Place};
use entry::{Held, Weight};
use short::ShortPath;
use table::Table;

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
    keys: Table<Entry>,
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
            keys: Table::new(sketch_key.0),
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
        let keys = self.keys.from(0).map(|named| key_bytes(&named.name) + named.value.bytes_again());
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
        let path = ShortPath::bytes_of(id.path.borrowed());
        let fresh = bytes(path + cost::payload(payload)) + if ends { end } else { 0 };
        let Some(entry) = self.entry(&id.key) else { return bytes(key_bytes(&id.key)) + fresh };
        let ended = if entry.end_ms(&self.ties).is_some() { end } else { 0 };
        if alone {
            return fresh - bytes(entry.bytes()) - ended;
        }
        entry.growth(&id.path, payload) + if ends { end - ended } else { 0 }
    }

    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.find(key).1.map(|place| &self.keys.at(place).value)
    }

    pub fn cell(&self, id: &CellId) -> Option<&Cell> {
        self.entry(&id.key)?.cell(&id.path)
    }

    /// The live dots in a range, with their cells.
    pub fn in_range(&self, range: DotRange) -> impl Iterator<Item = (Dot, CellId)> {
        self.dots.in_range(range).map(|(dot, place)| (dot, self.cell_at(place)))
    }

    /// Is this dot alive?
    pub fn has(&self, dot: Dot) -> bool {
        let own = DotRange { actor: dot.actor, first: dot.seq, last: dot.seq };
        self.dots.in_range(own).next().is_some()
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
        self.dots.all().map(|(dot, place)| (dot, self.cell_at(place)))
    }

    fn cell_at(&self, place: Place) -> CellId {
        let named = self.keys.at(place.key);
        let path = named.value.path_at(place.cell).to_path();
        CellId { key: Key::copy_from_slice(&named.name), path }
    }

    /// The hash of a key, and its place.
    fn find(&self, key: &[u8]) -> (u64, Option<u32>) {
        let hash = self.keys.hash_of(key);
        (hash, self.keys.find(hash, key))
    }

    /// All cells: keys, and the cells of each, in the order of their hashes.
    pub fn cells(&self) -> impl Iterator<Item = (CellId, &Cell)> {
        self.keys.from(0).flat_map(|named| {
            let key = Key::copy_from_slice(&named.name);
            let cells = named.value.cells();
            cells.map(move |(path, cell)| (CellId { key: key.clone(), path: path.to_path() }, cell))
        })
    }

    /// Keys whose hashes are at least this, in their order, with their hashes.
    pub fn keys_from(&self, hash: u64) -> impl Iterator<Item = (u64, &[u8], &Entry)> {
        self.keys.from(hash).map(|named| (named.hash, &*named.name, &named.value))
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
            let hash = self.keys.hash_of(&id.key);
            hashes.push(hash);
            seen ^= self.keys.look_at_slot(hash);
            let first = kills.ranges().first();
            seen ^= first.map_or(0, |range| self.dots.look_at(Dot::new(range.actor, range.first)));
        }
        let places: SmallVec<[u32; LOOK_AHEAD]> =
            hashes.iter().filter_map(|hash| self.keys.likely_place(*hash)).collect();
        seen ^= places.iter().fold(0, |seen, place| seen ^ self.keys.at(*place).hash);
        let values = places.iter().map(|place| &self.keys.at(*place).value);
        std::hint::black_box(values.fold(seen, |seen, entry| seen ^ entry.look_at()));
    }

    /// Changes a cell, and all that is derived from it.
    pub fn edit(&mut self, id: &CellId, change: impl FnOnce(&mut Cell)) {
        let (ties, seed) = (self.ties, self.keys.seed());
        let (hash, found) = self.find(&id.key);
        let place = found.unwrap_or_else(|| self.keys.insert(hash, &id.key, Entry::new(&id.path)));
        let entry = &mut self.keys.at_mut(place).value;
        let outline = entry.outline(&ties);
        let (cell_place, held) = entry.held_mut(&id.path, seed);
        let (weight, before) = (Weight::of(&held.cell), held.sum);
        let alive = Alive::of(held, &mut self.scratch, id, ties.rules);
        change(&mut held.cell);
        let turnover = alive.turnover(held, &mut self.scratch, id, ties.rules);
        self.fingerprint.replace(before, held.sum);
        self.user_bytes = self.user_bytes + turnover.user_bytes.0 - turnover.user_bytes.1;
        entry.reweigh(&id.path, cell_place, weight);
        let now = entry.outline(&ties);
        self.bytes -= found.map_or(0, |_| key_bytes(&id.key) + outline.bytes);
        if entry.is_empty() {
            self.keys.remove(place);
        } else {
            self.bytes += key_bytes(&id.key) + now.bytes;
        }
        self.existing = self.existing + usize::from(now.exists) - usize::from(outline.exists);
        if outline.end_ms != now.end_ms {
            self.end_changed(&id.key, outline.end_ms, now.end_ms);
        }
        let at = Place { key: place, cell: cell_place };
        turnover.dead.iter().for_each(|(dot, _)| self.dots.remove(*dot));
        turnover.born.iter().for_each(|(dot, _)| self.dots.insert(*dot, at));
        if self.is_followed() {
            turnover.all().for_each(|contents| self.toggle(hash, contents));
        }
        if self.scratch.capacity() > SCRATCH_BYTES_MAX {
            self.scratch = Vec::new();
        }
    }

    fn end_changed(&mut self, key: &Key, before: Option<u64>, now: Option<u64>) {
        if let Some(end) = before {
            self.ends.remove(&(end, key.clone()));
            self.bytes -= end_bytes(key);
        }
        if let Some(end) = now {
            self.ends.insert((end, key.clone()));
            self.bytes += end_bytes(key);
        }
    }
}

/// The dots of a cell before it is changed, with their contents and how many bytes of values they hold.
struct Alive(SmallVec<[(Dot, Contents, u64); 1]>);

/// What a change has brought about.
struct Turnover {
    born: SmallVec<[(Dot, Contents); 1]>,
    dead: SmallVec<[(Dot, Contents); 1]>,
    /// Of values that came, and of those that went.
    user_bytes: (u64, u64),
}

impl Alive {
    fn of(held: &Held, scratch: &mut Vec<u8>, id: &CellId, rules: Rules) -> Self {
        let value = |live: &LiveDot| live.payload.user_bytes() as u64;
        Self(match held.cell.dots() {
            // The sum is that of one, which need not be hashed again.
            [one] => SmallVec::from_buf([(one.dot, held.sum.of_one(), value(one))]),
            dots => {
                let path = id.path.borrowed();
                let one = |live: &LiveDot| {
                    (live.dot, Contents::of(scratch, &id.key, path, live, rules), value(live))
                };
                dots.iter().map(one).collect()
            }
        })
    }

    /// Brings the sum of the cell up to date.
    fn turnover(self, held: &mut Held, scratch: &mut Vec<u8>, id: &CellId, rules: Rules) -> Turnover {
        let mut out = Turnover { born: SmallVec::new(), dead: SmallVec::new(), user_bytes: (0, 0) };
        let now = held.cell.dots().iter();
        let now: SmallVec<[(Dot, Contents, u64); 1]> = now
            .map(|live| {
                let contents = Contents::of(scratch, &id.key, id.path.borrowed(), live, rules);
                (live.dot, contents, live.payload.user_bytes() as u64)
            })
            .collect();
        // A dot that stays and says something else, as a damaged or a lying source may have it, goes and comes.
        for (dot, contents, user_bytes) in now.iter().filter(|is| !self.0.contains(is)) {
            held.sum.add(*contents);
            out.born.push((*dot, *contents));
            out.user_bytes.0 += user_bytes;
        }
        for (dot, contents, user_bytes) in self.0.iter().filter(|was| !now.contains(was)) {
            held.sum.remove(*contents);
            out.dead.push((*dot, *contents));
            out.user_bytes.1 += user_bytes;
        }
        out
    }
}

impl Turnover {
    fn all(&self) -> impl Iterator<Item = Contents> {
        self.born.iter().chain(&self.dead).map(|(_, contents)| *contents)
    }
}

/// Memory of a key without its cells.
fn key_bytes(name: &[u8]) -> u64 {
    Table::<Entry>::bytes_of(name)
}

/// Memory of a key in the list of those that end.
fn end_bytes(key: &[u8]) -> u64 {
    cost::in_tree(size_of::<(u64, Key)>()) + cost::shared(key.len())
}
