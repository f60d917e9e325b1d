//! The cells of one key.

use std::collections::btree_map::{BTreeMap, Range};

use damson_crdt::{Cell, Dot, Kind, Leaf, LiveDot, Path, Payload, Rule};

use super::{Ties, cost};

/// The cells of one key. Most keys have one cell, which needs no tree.
#[derive(Debug)]
pub(in crate::replica) enum Entry {
    One(Path, Cell),
    Many(Box<Cells>),
}

#[derive(Debug, Default)]
pub(in crate::replica) struct Cells {
    by_path: BTreeMap<Path, Cell>,
    /// Where each live dot is.
    path_of: BTreeMap<Dot, Path>,
    /// Cells that are not simply a register in a field: when there are none, fields and cells are equally many.
    nested: usize,
    /// What paths and cells hold, in bytes.
    held: u64,
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
        if let Self::One(_, cell) = self {
            return cell.dots().iter().any(|live| live.payload.is_substance());
        }
        self.cells().any(|(_, cell)| cell.dots().iter().any(|live| live.payload.is_substance()))
    }

    /// The visible kind of the key, or of a field of it: that of the live cell with the greatest (hlc, actor).
    pub fn kind(&self, prefix: &Path, ties: &Ties) -> Option<Kind> {
        if let Self::One(path, cell) = self {
            let exists = cell.dots().iter().any(|live| live.payload.is_substance());
            return path.kind_below(prefix).filter(|_| exists && path.starts_with(prefix));
        }
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
        if let Self::One(path, cell) = self {
            return cell_end_ms(path, ties.winner(cell)?);
        }
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

    /// Reads what a change of the only cell reads.
    pub fn look_at(&self) -> u64 {
        let Self::One(_, cell) = self else { return 0 };
        match cell.dots().first().map(|live| &live.payload) {
            Some(Payload::Value { bytes, .. }) => bytes.first().copied().map_or(0, u64::from),
            _ => 0,
        }
    }

    /// Where a live dot is.
    pub fn path_of(&self, dot: Dot) -> Option<&Path> {
        match self {
            Self::One(path, _) => Some(path),
            Self::Many(cells) => cells.path_of.get(&dot),
        }
    }

    /// A dot came alive in a cell here.
    pub fn note(&mut self, dot: Dot, path: &Path) {
        if let Self::Many(cells) = self {
            cells.path_of.insert(dot, path.clone());
        }
    }

    /// A dot here died.
    pub fn forget(&mut self, dot: Dot) {
        if let Self::Many(cells) = self {
            cells.path_of.remove(&dot);
        }
    }

    fn first(&self) -> Option<(&Path, &Cell)> {
        self.cells().next()
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Self::One(_, cell) => cell.is_empty(),
            Self::Many(cells) => cells.by_path.is_empty(),
        }
    }

    /// A cell, made if it is not there.
    pub fn cell_mut(&mut self, path: &Path) -> &mut Cell {
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

    /// Memory that the cells take, in bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::One(path, cell) => cost::path(path) + cost::cell(cell),
            Self::Many(cells) => cells.frame_bytes(0) + cells.held,
        }
    }

    /// What a cell holds has changed.
    pub fn recount(&mut self, before: u64, now: u64) {
        if let Self::Many(cells) = self {
            cells.held = cells.held - before + now;
        }
    }

    /// By how much the cells grow when a cell comes to hold one dot with a payload, in bytes.
    pub fn growth(&self, path: &Path, payload: &Payload) -> i64 {
        let wanted = signed(cost::payload(payload));
        let new = signed(cost::path(path)) + wanted;
        match self {
            Self::One(own, cell) if own == path => wanted - signed(cost::cell(cell)),
            Self::One(..) => {
                let two = Cells::frame_bytes_of(2, 2);
                signed(two) + new
            }
            Self::Many(cells) => match cells.by_path.get(path) {
                Some(cell) => wanted - signed(cost::cell(cell)),
                None => signed(cells.frame_bytes(1)) - signed(cells.frame_bytes(0)) + new,
            },
        }
    }

    /// [`Entry::bytes`], counted anew.
    pub fn bytes_again(&self) -> u64 {
        let held = self.cells().map(|(path, cell)| cost::path(path) + cost::cell(cell)).sum();
        match self {
            Self::One(..) => held,
            Self::Many(cells) => cells.frame_bytes(0) + held,
        }
    }

    /// Drops a cell if it is empty.
    pub fn tidy(&mut self, path: &Path) {
        if let Self::Many(cells) = self {
            cells.drop_if_empty(path);
        }
    }
}

impl Cells {
    fn insert(&mut self, path: Path, cell: Cell) {
        self.nested += usize::from(is_nested(&path));
        self.held += cost::path(&path) + cost::cell(&cell);
        self.path_of.extend(cell.dots().iter().map(|live| (live.dot, path.clone())));
        self.by_path.insert(path, cell);
    }

    fn get_or_insert(&mut self, path: &Path) -> &mut Cell {
        let (nested, held) = (&mut self.nested, &mut self.held);
        self.by_path.entry(path.clone()).or_insert_with(|| {
            *nested += usize::from(is_nested(path));
            *held += cost::path(path);
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
            self.held -= cost::path(path);
        }
    }

    /// The trees, with so many cells and dots more, and what they hang from.
    fn frame_bytes(&self, more: usize) -> u64 {
        Self::frame_bytes_of(self.by_path.len() + more, self.path_of.len() + more)
    }

    fn frame_bytes_of(cells: usize, dots: usize) -> u64 {
        let trees = cost::tree(cells, size_of::<(Path, Cell)>()) + cost::tree(dots, size_of::<(Dot, Path)>());
        cost::allocated(size_of::<Self>()) + trees
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).expect("less than all memory")
}

/// When a key ends that has only this cell with this winner.
fn cell_end_ms(path: &Path, winner: &LiveDot) -> Option<u64> {
    match (path.last_if_plain()?, &winner.payload) {
        (Leaf::Expiry, Payload::Expires(end)) => *end,
        (Leaf::Register | Leaf::Text, Payload::Value { expires_ms, .. }) => *expires_ms,
        _ => None,
    }
}

fn is_nested(path: &Path) -> bool {
    let depth = path.fields().take(2).count();
    depth > 1 || (depth == 1 && !matches!(path.last(), Leaf::Register))
}
