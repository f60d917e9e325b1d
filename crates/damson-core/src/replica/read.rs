//! What a scope means to its users, at one wall time.

use bytes::Bytes;
use damson_crdt::{Actor, Cell, Dot, Hlc, Key, Kind, Leaf, Path, PathRef, Payload, view};

use super::Replica;
use super::live::Entry;

/// A key, or a field at some depth of a map under a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Slot {
    /// The key.
    pub key: Key,
    /// The fields on the way, as a prefix of paths.
    pub prefix: Path,
}

/// A replica at one wall time: expired keys are invisible.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    replica: &'a Replica,
    wall_ms: u64,
}

/// Who wrote what is seen, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// The author's clock. Later ones win among concurrent writes.
    pub hlc: Hlc,
    /// The operation: its author, and its number there.
    pub dot: Dot,
}

/// One step of a scan over keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Where to go on; `None` at the end.
    pub next: Option<u64>,
    /// The keys met, with their kinds.
    pub keys: Vec<(Key, Kind)>,
}

impl Slot {
    /// A key itself.
    pub fn key(key: impl Into<Key>) -> Self {
        Self { key: key.into(), prefix: Path::root() }
    }

    /// A field of the map here.
    #[must_use]
    pub fn field(&self, name: &[u8]) -> Self {
        Self { key: self.key.clone(), prefix: self.prefix.field(name) }
    }

    pub(super) fn cell(&self, leaf: Leaf<'_>) -> damson_crdt::CellId {
        damson_crdt::CellId { key: self.key.clone(), path: self.prefix.leaf(leaf) }
    }
}

impl<'a> View<'a> {
    pub(super) fn new(replica: &'a Replica, wall_ms: u64) -> Self {
        Self { replica, wall_ms }
    }

    /// How many keys exist, expired ones that nobody has killed yet included.
    pub fn len(&self) -> usize {
        self.replica.keys()
    }

    /// True when no key exists.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The visible type; `None` when the key or field does not exist.
    pub fn kind(&self, slot: &Slot) -> Option<Kind> {
        self.entry(&slot.key)?.kind(&slot.prefix, self.replica.live.ties())
    }

    /// When the key ends, in milliseconds since 1970: `None` when it does not exist, `Some(None)` when it does not end.
    pub fn ends_ms(&self, key: &Key) -> Option<Option<u64>> {
        let entry = self.entry(key)?;
        entry.kind(&Path::root(), self.replica.live.ties())?;
        Some(entry.end_ms(self.replica.live.ties()))
    }

    /// The value of a last-writer-wins register.
    pub fn register(&self, slot: &Slot) -> Option<Bytes> {
        self.visible(slot, Kind::Register).and_then(|_| self.winning(slot, Leaf::Register))
    }

    /// The same, with who wrote it.
    pub fn stamped(&self, slot: &Slot) -> Option<(Bytes, Stamp)> {
        self.visible(slot, Kind::Register)?;
        let cell = self.replica.live.cell(&slot.cell(Leaf::Register))?;
        let winner = self.replica.live.ties().winner(cell)?;
        let Payload::Value { bytes, .. } = &winner.payload else { return None };
        Some((bytes.clone(), Stamp { hlc: winner.hlc, dot: winner.dot }))
    }

    /// The value of a Redis string: the base plus the counters; the base alone when it is no number.
    pub fn text(&self, slot: &Slot) -> Option<Bytes> {
        let entry = self.visible(slot, Kind::Text)?;
        let base = self.winning(slot, Leaf::Text);
        let mut counters = entry
            .below(&slot.prefix)
            .filter(|(path, _)| path.kind_below(&slot.prefix) == Some(Kind::Text))
            .filter(|(path, _)| matches!(path.last(), Leaf::TextCount(_)))
            .map(|(_, cell)| cell)
            .peekable();
        match base {
            Some(base) if counters.peek().is_none() => Some(base),
            Some(base) => Some(integer(&base).map_or(base, |n| decimal(sum(n, counters)))),
            None => Some(decimal(sum(0, counters))),
        }
    }

    /// All concurrent values of a multi-value register.
    pub fn multi(&self, slot: &Slot) -> Vec<Bytes> {
        let found = self.visible(slot, Kind::Multi).and_then(|e| e.cell(&slot.prefix.leaf(Leaf::Multi)));
        found.map(|cell| view::values(cell).cloned().collect()).unwrap_or_default()
    }

    /// The value of a counter; `None` when it does not exist.
    pub fn counter(&self, slot: &Slot) -> Option<i64> {
        let entry = self.visible(slot, Kind::Counter)?;
        let shares = entry
            .below(&slot.prefix)
            .filter(|(path, _)| path.kind_below(&slot.prefix) == Some(Kind::Counter));
        Some(sum(0, shares.map(|(_, cell)| cell)))
    }

    /// What each actor contributed to a counter.
    pub fn counter_shares(&self, slot: &Slot) -> Vec<(Actor, i64)> {
        let Some(entry) = self.visible(slot, Kind::Counter) else { return Vec::new() };
        let share = |(path, cell): (PathRef<'_>, &Cell)| match path.last() {
            Leaf::Count(actor) if path.kind_below(&slot.prefix) == Some(Kind::Counter) => {
                Some((actor, view::share(cell)))
            }
            _ => None,
        };
        let mut shares: Vec<(Actor, i64)> = entry.below(&slot.prefix).filter_map(share).collect();
        shares.sort_unstable();
        shares
    }

    /// The value of a register that keeps the greatest number.
    pub fn max(&self, slot: &Slot) -> Option<i64> {
        view::max(self.visible(slot, Kind::Max)?.cell(&slot.prefix.leaf(Leaf::Max))?)
    }

    /// The state of a flag of either kind; `None` when it was never set, or was deleted.
    pub fn flag(&self, slot: &Slot) -> Option<bool> {
        let entry = self.entry(&slot.key)?;
        let (leaf, winner) = match entry.kind(&slot.prefix, self.replica.live.ties())? {
            Kind::EnableWins => (Leaf::EnableWins, true),
            Kind::DisableWins => (Leaf::DisableWins, false),
            _ => return None,
        };
        view::flag(entry.cell(&slot.prefix.leaf(leaf))?, winner)
    }

    /// Is this in the set?
    pub fn set_contains(&self, slot: &Slot, element: &[u8]) -> bool {
        let found =
            self.visible(slot, Kind::Set).and_then(|e| e.cell(&slot.prefix.leaf(Leaf::Element(element))));
        found.is_some()
    }

    /// The elements of a set, in no meaningful but the same order everywhere.
    pub fn set_elements(&self, slot: &'a Slot) -> impl Iterator<Item = &'a [u8]> {
        let cells = self.visible(slot, Kind::Set).into_iter().flat_map(|entry| entry.below(&slot.prefix));
        let direct = cells.filter(|(path, _)| path.kind_below(&slot.prefix) == Some(Kind::Set));
        direct.filter_map(|(path, _)| match path.last() {
            Leaf::Element(element) => Some(element),
            _ => None,
        })
    }

    /// How many elements a set has. Costs nothing in proportion to the set, unless it is nested or has hidden types.
    pub fn set_len(&self, slot: &Slot) -> usize {
        match self.visible(slot, Kind::Set) {
            Some(entry) if self.is_pure(entry, slot) => entry.len() - usize::from(entry.has_expiry()),
            _ => self.set_elements(slot).count(),
        }
    }

    /// Does the map have this field?
    pub fn map_contains(&self, slot: &Slot, name: &[u8]) -> bool {
        self.visible(slot, Kind::Map).is_some() && self.kind(&slot.field(name)).is_some()
    }

    /// The value of a register in a field of a map.
    pub fn map_get(&self, slot: &Slot, name: &[u8]) -> Option<Bytes> {
        self.visible(slot, Kind::Map)?;
        self.register(&slot.field(name))
    }

    /// The fields of a map, in no meaningful but the same order everywhere.
    pub fn map_fields(&self, slot: &'a Slot) -> impl Iterator<Item = &'a [u8]> {
        self.visible(slot, Kind::Map).into_iter().flat_map(|entry| entry.fields(&slot.prefix))
    }

    /// How many fields a map has. Costs nothing in proportion to a map of plain values.
    pub fn map_len(&self, slot: &Slot) -> usize {
        match self.visible(slot, Kind::Map) {
            Some(entry) if entry.is_flat_map() && self.is_pure(entry, slot) => {
                entry.len() - usize::from(entry.has_expiry())
            }
            _ => self.map_fields(slot).count(),
        }
    }

    /// Existing keys from a cursor on, at least `count` unless the end is reached. A key that exists during a whole scan
    /// is met at least once. 0 is the first cursor.
    pub fn scan(&self, cursor: u64, count: usize) -> Scan {
        let mut out = Scan { next: None, keys: Vec::new() };
        let (mut looked_at, mut hash_before) = (0, None);
        for (hash, key, entry) in self.replica.live.keys_from(cursor) {
            if looked_at >= count && hash_before != Some(hash) {
                out.next = Some(hash);
                break;
            }
            looked_at += 1;
            hash_before = Some(hash);
            if self.is_visible(entry)
                && let Some(kind) = entry.kind(&Path::root(), self.replica.live.ties())
            {
                out.keys.push((Key::copy_from_slice(key), kind));
            }
        }
        out
    }

    /// All existing keys, in no meaningful but the same order everywhere.
    pub fn keys(self) -> impl Iterator<Item = (Key, Kind)> {
        let ties = self.replica.live.ties();
        let view = self;
        let entries = self.replica.live.keys_from(0).filter(move |(_, _, entry)| view.is_visible(entry));
        entries.filter_map(move |(_, key, entry)| {
            entry.kind(&Path::root(), ties).map(|kind| (Key::copy_from_slice(key), kind))
        })
    }

    fn entry(&self, key: &Key) -> Option<&'a Entry> {
        self.replica.live.entry(key).filter(|entry| self.is_visible(entry))
    }

    fn is_visible(&self, entry: &Entry) -> bool {
        entry.end_ms(self.replica.live.ties()).is_none_or(|end| end > self.wall_ms)
    }

    fn visible(&self, slot: &Slot, kind: Kind) -> Option<&'a Entry> {
        let entry = self.entry(&slot.key)?;
        (entry.kind(&slot.prefix, self.replica.live.ties()) == Some(kind)).then_some(entry)
    }

    fn is_pure(&self, entry: &Entry, slot: &Slot) -> bool {
        slot.prefix == Path::root()
            && entry.outer_kinds(&slot.prefix).is_some_and(|(first, last)| first == last)
    }

    fn winning(&self, slot: &Slot, leaf: Leaf<'_>) -> Option<Bytes> {
        let cell = self.replica.live.cell(&slot.cell(leaf))?;
        match &self.replica.live.ties().winner(cell)?.payload {
            Payload::Value { bytes, .. } => Some(bytes.clone()),
            _ => None,
        }
    }
}

/// The number that a text is, if it is one as Redis writes them: no sign but minus, no leading zeros, no blanks.
pub(super) fn integer(text: &[u8]) -> Option<i64> {
    let text = std::str::from_utf8(text).ok()?;
    let n: i64 = text.parse().ok()?;
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    (plain && text != "-0").then_some(n)
}

fn sum<'c>(base: i64, counters: impl Iterator<Item = &'c Cell>) -> i64 {
    counters.map(view::share).fold(base, i64::saturating_add)
}

fn decimal(n: i64) -> Bytes {
    n.to_string().into()
}
