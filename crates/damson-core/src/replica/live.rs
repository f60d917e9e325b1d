//! The live dots of a scope: by key and cell, by dot, and as a fingerprint.
//!
//! Every change of a cell goes through [`Live::edit`], which keeps the index, the fingerprint, the number of existing
//! keys and the list of keys that expire in step. The cost of an edit does not grow with the state beyond a logarithm.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Range};

use damson_crdt::{
    Cell, CellId, Dot, DotRange, Fingerprint, Key, Kind, Leaf, LiveDot, NodeId, Path, Payload, Rule, Rules,
};
use xxhash_rust::xxh3::xxh3_64;

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
    keys: BTreeMap<(u64, Key), Entry>,
    cell_of: BTreeMap<Dot, CellId>,
    fingerprint: Fingerprint,
    existing: usize,
    ends: BTreeSet<(u64, Key)>,
    user_bytes: u64,
    ties: Ties,
}

/// The cells of one key. Most keys have one cell, which needs no tree.
#[derive(Debug)]
pub(super) enum Entry {
    One(Path, Cell),
    Many(Box<Cells>),
}

#[derive(Debug, Default)]
pub(super) struct Cells {
    by_path: BTreeMap<Path, Cell>,
    /// Cells that are not simply a register in a field: when there are none, fields and cells are equally many.
    nested: usize,
}

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
    pub fn new(ties: Ties) -> Self {
        Self {
            keys: BTreeMap::new(),
            cell_of: BTreeMap::new(),
            fingerprint: Fingerprint::default(),
            existing: 0,
            ends: BTreeSet::new(),
            user_bytes: 0,
            ties,
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
        self.cell_of.len()
    }

    /// Bytes of values that are alive.
    pub fn user_bytes(&self) -> u64 {
        self.user_bytes
    }

    pub fn entry(&self, key: &Key) -> Option<&Entry> {
        self.keys.get(&slot(key))
    }

    pub fn cell(&self, id: &CellId) -> Option<&Cell> {
        self.entry(&id.key)?.cell(&id.path)
    }

    /// The live dots in a range, with their cells.
    pub fn in_range(&self, range: DotRange) -> impl Iterator<Item = (Dot, &CellId)> {
        let bounds = Dot::new(range.actor, range.first)..=Dot::new(range.actor, range.last);
        self.cell_of.range(bounds).map(|(dot, cell)| (*dot, cell))
    }

    /// All live dots in order, with their cells.
    pub fn all_dots(&self) -> impl Iterator<Item = (Dot, &CellId)> {
        self.cell_of.iter().map(|(dot, cell)| (*dot, cell))
    }

    /// All cells: keys in the order of their hashes, cells in the order of their paths.
    pub fn cells(&self) -> impl Iterator<Item = (CellId, &Cell)> {
        self.keys.iter().flat_map(|((_, key), entry)| {
            entry.cells().map(|(path, cell)| (CellId { key: key.clone(), path: path.clone() }, cell))
        })
    }

    /// Keys from a cursor on, with the cursor that follows each.
    pub fn keys_from(&self, cursor: u64) -> impl Iterator<Item = (u64, &Key, &Entry)> {
        self.keys.range((cursor, Key::new())..).map(|((hash, key), entry)| (*hash, key, entry))
    }

    /// Keys whose time-to-live ended before `ms`, the longest dead first.
    pub fn ended_before(&self, ms: u64) -> impl Iterator<Item = &(u64, Key)> {
        self.ends.iter().take_while(move |(end, _)| *end < ms)
    }

    /// When the next time-to-live ends.
    pub fn next_end(&self) -> Option<u64> {
        self.ends.first().map(|(end, _)| *end)
    }

    /// Changes a cell, and all that is derived from it.
    pub fn edit(&mut self, id: &CellId, change: impl FnOnce(&mut Cell)) {
        let slot = slot(&id.key);
        let ties = self.ties;
        let entry =
            self.keys.entry(slot.clone()).or_insert_with(|| Entry::One(id.path.clone(), Cell::default()));
        let (existed, ended) = (entry.exists(), entry.end_ms(&ties));
        let cell = entry.cell_mut(&id.path);
        let before = cell.clone();
        change(cell);
        let after = cell.clone();
        if after.is_empty() {
            entry.tidy(&id.path);
        }
        let (exists, ends, gone) = (entry.exists(), entry.end_ms(&ties), entry.is_empty());
        if gone {
            self.keys.remove(&slot);
        }
        self.existing = self.existing + usize::from(exists) - usize::from(existed);
        if ended != ends {
            ended.map(|end| self.ends.remove(&(end, id.key.clone())));
            ends.map(|end| self.ends.insert((end, id.key.clone())));
        }
        self.account(id, &before, &after);
    }

    fn account(&mut self, id: &CellId, before: &Cell, after: &Cell) {
        for dead in before.dots().iter().filter(|live| !after.contains(live.dot)) {
            self.cell_of.remove(&dead.dot);
            self.fingerprint.remove(id, dead, self.ties.rules);
            self.user_bytes -= dead.payload.user_bytes() as u64;
        }
        for born in after.dots().iter().filter(|live| !before.contains(live.dot)) {
            self.cell_of.insert(born.dot, id.clone());
            self.fingerprint.add(id, born, self.ties.rules);
            self.user_bytes += born.payload.user_bytes() as u64;
        }
    }
}

impl Entry {
    pub fn cell(&self, path: &Path) -> Option<&Cell> {
        match self {
            Self::One(own, cell) => (own == path && !cell.is_empty()).then_some(cell),
            Self::Many(cells) => cells.by_path.get(path),
        }
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Many(cells) => cells.by_path.len(),
        }
    }

    /// True when every cell, but for a time-to-live, is a register in a field: then cells are fields.
    pub fn is_flat_map(&self) -> bool {
        match self {
            Self::One(path, _) => !is_nested(path),
            Self::Many(cells) => cells.nested == 0,
        }
    }

    pub fn has_expiry(&self) -> bool {
        self.first().is_some_and(|(path, _)| matches!(path.last(), Leaf::Expiry))
    }

    /// The cells in the order of their paths.
    pub fn cells(&self) -> impl DoubleEndedIterator<Item = (&Path, &Cell)> {
        let (one, many) = match self {
            Self::One(path, cell) => (Some((path, cell)), None),
            Self::Many(cells) => (None, Some(&cells.by_path)),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The cells below a prefix.
    pub fn below<'a>(&'a self, prefix: &'a Path) -> impl Iterator<Item = (&'a Path, &'a Cell)> {
        let (one, many) = match self {
            Self::One(path, cell) => (path.starts_with(prefix).then_some((path, cell)), None),
            Self::Many(cells) => (None, Some(cells.from(prefix))),
        };
        one.into_iter().chain(many.into_iter().flatten().take_while(|(path, _)| path.starts_with(prefix)))
    }

    /// The kinds of the first and the last cell below a prefix, time-to-live aside. When they are equal all are.
    pub fn outer_kinds(&self, prefix: &Path) -> Option<(Kind, Kind)> {
        let mut kinds = self.below(prefix).filter_map(|(path, _)| path.kind_below(prefix));
        let first = kinds.next()?;
        let last = match (self, kinds.next()) {
            (_, None) | (Self::One(..), _) => Some(first),
            (Self::Many(cells), Some(_)) => cells.last_below(prefix).and_then(|path| path.kind_below(prefix)),
        };
        last.map(|last| (first, last))
    }

    /// Is there anything besides traces and a time-to-live?
    pub fn exists(&self) -> bool {
        self.cells().any(|(_, cell)| cell.dots().iter().any(|live| live.payload.is_substance()))
    }

    /// The visible kind of the key, or of a field of it: that of the live cell with the greatest (hlc, actor).
    pub fn kind(&self, prefix: &Path, ties: &Ties) -> Option<Kind> {
        let (first, last) = self.outer_kinds(prefix)?;
        let mut substance = self.below(prefix).flat_map(|(path, cell)| {
            let kind = path.kind_below(prefix);
            cell.dots().iter().filter(|live| live.payload.is_substance()).map(move |live| (kind, live))
        });
        if first == last {
            return substance.next().map(|_| first);
        }
        let own_first = !ties.rules.holds(Rule::TypePrefersOwn);
        let newest =
            substance.max_by_key(|(_, live)| (own_first && live.dot.actor.node == ties.me, live.rank()));
        newest.and_then(|(kind, _)| kind)
    }

    /// When the key ends: as its own time-to-live says, or else the winning value.
    pub fn end_ms(&self, ties: &Ties) -> Option<u64> {
        if self.has_expiry() {
            let own = self.first().and_then(|(_, cell)| ties.winner(cell)).map(|live| &live.payload);
            return if let Some(Payload::Expires(end)) = own { *end } else { None };
        }
        let leaf = match self.kind(&Path::root(), ties)? {
            Kind::Register => Leaf::Register,
            Kind::Text => Leaf::Text,
            _ => return None,
        };
        match &ties.winner(self.cell(&Path::root().leaf(leaf))?)?.payload {
            Payload::Value { expires_ms, .. } => *expires_ms,
            _ => None,
        }
    }

    fn first(&self) -> Option<(&Path, &Cell)> {
        self.cells().next()
    }

    fn is_empty(&self) -> bool {
        match self {
            Self::One(_, cell) => cell.is_empty(),
            Self::Many(cells) => cells.by_path.is_empty(),
        }
    }

    fn cell_mut(&mut self, path: &Path) -> &mut Cell {
        if let Self::One(own, cell) = self
            && own != path
        {
            let mut cells = Cells::default();
            cells.insert(own.clone(), std::mem::take(cell));
            *self = Self::Many(Box::new(cells));
        }
        match self {
            Self::One(_, cell) => cell,
            Self::Many(cells) => cells.get_or_insert(path),
        }
    }

    fn tidy(&mut self, path: &Path) {
        if let Self::Many(cells) = self {
            cells.drop_if_empty(path);
        }
    }
}

impl Cells {
    fn insert(&mut self, path: Path, cell: Cell) {
        self.nested += usize::from(is_nested(&path));
        self.by_path.insert(path, cell);
    }

    fn get_or_insert(&mut self, path: &Path) -> &mut Cell {
        let nested = &mut self.nested;
        self.by_path.entry(path.clone()).or_insert_with(|| {
            *nested += usize::from(is_nested(path));
            Cell::default()
        })
    }

    /// The cells from a prefix on. From the root nothing has to be searched.
    fn from<'a>(&'a self, prefix: &Path) -> Range<'a, Path, Cell> {
        if *prefix == Path::root() { self.by_path.range::<Path, _>(..) } else { self.by_path.range(prefix..) }
    }

    /// The last cell below a prefix.
    fn last_below(&self, prefix: &Path) -> Option<&Path> {
        if *prefix == Path::root() {
            return self.by_path.last_key_value().map(|(path, _)| path);
        }
        let last = match &prefix.end() {
            Some(end) => self.by_path.range(prefix..end).next_back(),
            None => self.by_path.range(prefix..).next_back(),
        };
        last.map(|(path, _)| path)
    }

    fn drop_if_empty(&mut self, path: &Path) {
        if self.by_path.get(path).is_some_and(Cell::is_empty) {
            self.by_path.remove(path);
            self.nested -= usize::from(is_nested(path));
        }
    }
}

fn is_nested(path: &Path) -> bool {
    let depth = path.fields().take(2).count();
    depth > 1 || (depth == 1 && !matches!(path.last(), Leaf::Register))
}

fn slot(key: &Key) -> (u64, Key) {
    (xxh3_64(key), key.clone())
}
