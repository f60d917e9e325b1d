//! Entries from where one does not control who writes: a map of one's own, and three levels of checking what is to be merged
//! into it.
//!
//! [`valid_entry`] looks at one entry, [`accept`] at a payload of many, [`ingest`] accepts and merges. None of them can be made to
//! panic, or to allocate more than the bytes that are there, by any bytes; a validator of the user's that panics refuses the entry
//! that it was asked about.
//!
//! ```text
//! payload = [ cells, context ]     as `damson_crdt::codec` writes them: live entries, and all that was ever seen
//! ```
//! What is in the context and not among the cells was removed: so a map that holds only removals still tells them.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use damson_core::crdt::codec::{self, CodecError};
use damson_core::crdt::{
    Actor, Cell, CellId, Clock, Context, Dot, Key, Leaf, LimitError, Limits, LiveDot, Path, Payload, Rules,
};
use minicbor::decode::Decoder;
use minicbor::encode::Encoder;

use super::Entry;
use crate::Stamp;

/// An observed-remove map of last-writer-wins values, with the context that makes removals last. It belongs to whoever holds
/// it; the engine has its own.
#[derive(Debug, Clone)]
pub struct OrMap {
    actor: Actor,
    clock: Clock,
    cells: BTreeMap<Key, Cell>,
    context: Context,
    limits: Limits,
}

/// What was accepted of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accepted {
    /// The entries that are so by it, after [`ingest`] those only that it has changed.
    pub entries: Vec<Entry>,
    /// What was not, and why.
    pub refused: Refused,
}

/// What was refused of a payload, by cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refused {
    /// Payloads that are none, are cut short, or say what cannot be. Nothing of them was accepted.
    pub malformed: u64,
    /// Payloads with something over its limit. Nothing of them was accepted.
    pub limits: u64,
    /// Entries that are no plain value under a key.
    pub foreign: u64,
    /// Entries with a value that the validator refused.
    pub leaf: u64,
    /// Those at which the validator panicked.
    pub leaf_panicked: u64,
}

/// A payload that was believed.
struct Believed {
    cells: Vec<(Key, Cell)>,
    context: Context,
    refused: Refused,
}

/// Is this the encoding of an entry, alone in its payload? See [`OrMap::entry`].
pub fn valid_entry(entry: &[u8]) -> bool {
    valid_entry_with(entry, |_, _| true)
}

/// The same, with values that `leaf` likes.
pub fn valid_entry_with(entry: &[u8], leaf: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    let believed = believe(entry, &Limits::default(), &leaf);
    believed.refused == Refused::default() && believed.cells.len() == 1
}

/// The entries of a payload that can be believed and whose values `leaf` likes. Whatever is no payload has none.
pub fn accept(payload: &[u8], leaf: impl Fn(&[u8], &[u8]) -> bool) -> Accepted {
    let believed = believe(payload, &Limits::default(), &leaf);
    let entries = believed.cells.iter().map(|(key, cell)| entry_of(key, Some(cell))).collect();
    Accepted { entries, refused: believed.refused }
}

/// Accepts and merges: the map is as if it had seen all that was accepted, in whatever order, however often. Returns the entries that
/// have changed by it, removed ones with no value. Of an entry that was refused nothing is taken for seen, so that its removal is not
/// either.
pub fn ingest(map: &mut OrMap, payload: &[u8], leaf: impl Fn(&[u8], &[u8]) -> bool) -> Accepted {
    let believed = believe(payload, &map.limits, &leaf);
    let entries = map.merge(believed.cells, &believed.context);
    Accepted { entries, refused: believed.refused }
}

fn believe(payload: &[u8], limits: &Limits, leaf: &dyn Fn(&[u8], &[u8]) -> bool) -> Believed {
    let mut refused = Refused::default();
    let (cells, mut context) = match decode(payload, limits) {
        Ok(decoded) => decoded,
        Err(error) => {
            let of_limits = matches!(error, CodecError::Limit(_));
            *(if of_limits { &mut refused.limits } else { &mut refused.malformed }) += 1;
            (Vec::new(), Context::default())
        }
    };
    let mut believed = Vec::with_capacity(cells.len());
    for (id, cell) in cells {
        if is_liked(&id, &cell, leaf, &mut refused) {
            believed.push((id.key, cell));
            continue;
        }
        let unseen: Context = cell.dots().iter().map(|live| live.dot).collect();
        context = context.minus(&unseen);
    }
    Believed { cells: believed, context, refused }
}

fn is_liked(id: &CellId, cell: &Cell, leaf: &dyn Fn(&[u8], &[u8]) -> bool, refused: &mut Refused) -> bool {
    if id.path != path() || cell.is_empty() {
        refused.foreign += 1;
        return false;
    }
    let values = cell.dots().iter().map(|live| value_of(live));
    let liked = |value: Option<&Bytes>| value.is_some_and(|value| leaf(&id.key, value));
    match catch_unwind(AssertUnwindSafe(|| values.into_iter().all(liked))) {
        Ok(true) => return true,
        Ok(false) => refused.leaf += 1,
        Err(_) => refused.leaf_panicked += 1,
    }
    false
}

fn decode(payload: &[u8], limits: &Limits) -> Result<(Vec<(CellId, Cell)>, Context), CodecError> {
    let mut d = Decoder::new(payload);
    let unknown = codec::record(&mut d, 2)?;
    let cells = codec::decode_cells(&mut d, limits)?;
    let context = codec::read_context(&mut d, limits)?;
    codec::skip(&mut d, unknown)?;
    let mut dots = cells.iter().flat_map(|(_, cell)| cell.dots());
    if !dots.all(|live| context.contains(live.dot)) {
        return Err(CodecError::Impossible("live dots outside of what was seen"));
    }
    let mut keys: Vec<_> = cells.iter().map(|(id, _)| id).collect();
    keys.sort_unstable();
    if keys.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(CodecError::Impossible("an entry twice"));
    }
    Ok((cells, context))
}

fn path() -> Path {
    Path::root().leaf(Leaf::Register)
}

fn value_of(live: &LiveDot) -> Option<&Bytes> {
    match &live.payload {
        Payload::Value { bytes, expires_ms: None } => Some(bytes),
        _ => None,
    }
}

fn entry_of(key: &Key, cell: Option<&Cell>) -> Entry {
    let winner = cell.and_then(Cell::winner);
    let value = winner.and_then(|live| {
        let stamp = Stamp { hlc: live.hlc, dot: live.dot };
        Some((value_of(live)?.clone(), stamp))
    });
    Entry { key: key.clone(), value }
}

impl OrMap {
    /// An empty map, written to in the name of this actor. Nobody else may ever write in that name: a node and a life, as
    /// [`crate::Node::id`] and a random number.
    pub fn new(actor: Actor) -> Self {
        let (clock, context) = (Clock::default(), Context::default());
        Self { actor, clock, cells: BTreeMap::new(), context, limits: Limits::default() }
    }

    /// An entry.
    pub fn get(&self, key: &[u8]) -> Option<Bytes> {
        self.cells.get(key)?.winner().and_then(value_of).cloned()
    }

    /// All entries, in the order of their keys.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        self.cells.iter().map(|(key, cell)| entry_of(key, Some(cell)))
    }

    /// Writes an entry at a wall time in milliseconds since 1970. It takes the place of what is seen here, whatever times that bears;
    /// the time decides between concurrent writes only, so that a wrong clock elsewhere does no harm.
    ///
    /// # Errors
    /// [`LimitError`]: the key or the value is too long. Nothing was changed.
    pub fn put(
        &mut self,
        key: impl Into<Bytes>,
        value: impl Into<Bytes>,
        wall_ms: u64,
    ) -> Result<(), LimitError> {
        let (key, bytes) = (key.into(), value.into());
        LimitError::check("key bytes", key.len(), self.limits.key_bytes_max)?;
        LimitError::check("value bytes", bytes.len(), self.limits.value_bytes_max)?;
        let dot = Dot::new(self.actor, self.context.top(self.actor) + 1);
        let hlc = self.clock.tick(wall_ms);
        let live = LiveDot { dot, hlc, payload: Payload::Value { bytes, expires_ms: None } };
        self.context.insert(dot);
        self.cells.insert(key, Cell::from_dots([live]).expect("one dot is in order"));
        Ok(())
    }

    /// Removes an entry as it is here. False when there was none.
    pub fn remove(&mut self, key: &[u8]) -> bool {
        self.cells.remove(key).is_some()
    }

    /// Everything, removals included, for [`ingest`] elsewhere.
    pub fn snapshot(&self) -> Bytes {
        let cells: Vec<_> = self.cells.iter().map(|(key, cell)| (id_of(key), cell)).collect();
        encode(&cells, &self.context)
    }

    /// One entry as a payload: a delta. `None` when there is no such entry.
    pub fn entry(&self, key: &[u8]) -> Option<Bytes> {
        let (key, cell) = self.cells.get_key_value(key)?;
        let seen = cell.dots().iter().map(|live| live.dot).collect();
        Some(encode(&[(id_of(key), cell)], &seen))
    }

    /// The join with what others have seen. Returns what changed.
    fn merge(&mut self, cells: Vec<(Key, Cell)>, context: &Context) -> Vec<Entry> {
        let theirs: BTreeMap<Key, Cell> = cells.into_iter().collect();
        let dead = |cell: &Cell| cell.dots().iter().any(|live| context.contains(live.dot));
        let touched = self.cells.iter().filter(|(key, cell)| !theirs.contains_key(*key) && dead(cell));
        let keys: Vec<Key> = theirs.keys().chain(touched.map(|(key, _)| key)).cloned().collect();
        let (empty, mut changed) = (Cell::default(), Vec::new());
        for key in keys {
            let (ours, other) = (self.cells.get(&key).unwrap_or(&empty), theirs.get(&key).unwrap_or(&empty));
            let joined = ours.join(&self.context, other, context, Rules::default());
            if joined == *ours {
                continue;
            }
            changed.push(entry_of(&key, Some(&joined)));
            if joined.is_empty() {
                self.cells.remove(&key)
            } else {
                self.cells.insert(key, joined)
            };
        }
        self.context.union(context);
        changed
    }
}

fn id_of(key: &Key) -> CellId {
    CellId::new(key.clone(), path())
}

fn encode(cells: &[(CellId, &Cell)], context: &Context) -> Bytes {
    let mut out = Vec::new();
    Encoder::new(&mut out).array(2).expect("memory");
    codec::encode_cells(&mut out, cells.iter().map(|(id, cell)| (id, *cell)));
    codec::encode_context(&mut out, context);
    out.into()
}
