//! The cells of one key.

use std::collections::BTreeSet;

use damson_crdt::{Cell, Fingerprint, Kind, Leaf, LiveDot, Path, PathRef, Payload, Rule};

use super::short::ShortPath;
use super::table::Table;
use super::{Ties, cost};

/// The cells of one key. Most keys have one cell, which needs no table.
#[derive(Debug)]
pub(in crate::replica) enum Entry {
    One(ShortPath, Held),
    Many(Box<Cells>),
}

/// What is alive of a cell, and the sum of what its dots say.
#[derive(Debug, Default)]
pub(in crate::replica) struct Held {
    pub cell: Cell,
    pub sum: Fingerprint,
}

/// Several cells, by the hashes of their paths.
#[derive(Debug)]
pub(in crate::replica) struct Cells {
    table: Table<Held>,
    /// The paths that lie deeper than a register in a field, in order, so that those below a field are found.
    nested: BTreeSet<Path>,
    /// How many cells make the key a thing of each kind, in the order of [`Kind::ALL`].
    kinds: [u32; Kind::ALL.len()],
    /// Cells that make the key exist.
    substantial: usize,
    has_expiry: bool,
    /// What cells take, in bytes.
    held: u64,
}

/// What a key is to the scope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outline {
    pub exists: bool,
    pub end_ms: Option<u64>,
    pub bytes: u64,
}

/// What a cell is to its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weight {
    bytes: u64,
    substantial: bool,
}

impl Entry {
    /// A key that is about to get its first cell.
    pub fn new(path: &Path) -> Self {
        Self::One(path.into(), Held::default())
    }

    pub fn cell(&self, path: &Path) -> Option<&Cell> {
        match self {
            Self::One(own, held) => {
                (own.borrowed() == path.borrowed() && !held.cell.is_empty()).then_some(&held.cell)
            }
            Self::Many(cells) => cells.find(path.as_bytes()).map(|place| &cells.table.at(place).value.cell),
        }
    }

    /// How many cells there are.
    pub fn len(&self) -> usize {
        match self {
            Self::One(..) => 1,
            Self::Many(cells) => cells.table.len(),
        }
    }

    /// True when every cell, but for a time-to-live, is a register in a field: then cells are fields.
    pub fn is_flat_map(&self) -> bool {
        match self {
            Self::One(path, _) => !is_nested(path.borrowed()),
            Self::Many(cells) => cells.nested.is_empty(),
        }
    }

    pub fn has_expiry(&self) -> bool {
        match self {
            Self::One(path, _) => matches!(path.borrowed().last_if_plain(), Some(Leaf::Expiry)),
            Self::Many(cells) => cells.has_expiry,
        }
    }

    /// The cells, in an order that is the same everywhere.
    pub fn cells(&self) -> impl Iterator<Item = (PathRef<'_>, &Cell)> {
        self.held().map(|(path, held)| (path, &held.cell))
    }

    /// The cells with the sums of what they say.
    pub fn held(&self) -> impl Iterator<Item = (PathRef<'_>, &Held)> {
        let (one, many) = match self {
            Self::One(path, held) => (Some((path.borrowed(), held)), None),
            Self::Many(cells) => (None, Some(cells.all())),
        };
        one.into_iter().chain(many.into_iter().flatten())
    }

    /// The cells below a prefix; those below a field in the order of their paths.
    pub fn below<'a>(&'a self, prefix: &'a Path) -> impl Iterator<Item = (PathRef<'a>, &'a Cell)> {
        let is_root = *prefix == Path::root();
        let (one, all, some) = match self {
            Self::One(path, held) => {
                let path = path.borrowed();
                (path.starts_with(prefix).then_some((path, &held.cell)), None, None)
            }
            Self::Many(cells) if is_root => {
                (None, Some(cells.all().map(|(path, held)| (path, &held.cell))), None)
            }
            Self::Many(cells) => (None, None, Some(cells.below(prefix))),
        };
        one.into_iter().chain(all.into_iter().flatten()).chain(some.into_iter().flatten())
    }

    /// The kinds of the first and the last cell below a prefix, time-to-live aside. When they are equal all are.
    pub fn outer_kinds(&self, prefix: &Path) -> Option<(Kind, Kind)> {
        match self {
            Self::One(path, _) => {
                let path = path.borrowed();
                let kind = path.starts_with(prefix).then(|| path.kind_below(prefix)).flatten()?;
                Some((kind, kind))
            }
            Self::Many(cells) if *prefix == Path::root() => cells.root_kinds(),
            Self::Many(cells) => cells.kinds_below(prefix),
        }
    }

    /// The names of the fields below a prefix in which something exists.
    pub fn fields<'a>(&'a self, prefix: &'a Path) -> impl Iterator<Item = &'a [u8]> {
        let names = self.below(prefix).filter_map(|(path, cell)| {
            let exists = cell.dots().iter().any(|live| live.payload.is_substance());
            path.field_below(prefix).filter(|_| exists)
        });
        // A field with several cells is named once, where it would stand if it were a register.
        let (plain, several) = match self {
            Self::Many(cells) if !cells.nested.is_empty() => {
                let placed = names.map(|name| (cells.table.hash_of(plain_field(name).as_bytes()), name));
                (None, Some(placed.collect::<BTreeSet<_>>()))
            }
            _ => (Some(names), None),
        };
        let several = several.into_iter().flatten().map(|(_, name)| name);
        plain.into_iter().flatten().chain(several)
    }

    /// Is there anything besides traces and a time-to-live?
    pub fn exists(&self) -> bool {
        match self {
            Self::One(_, held) => is_substantial(&held.cell),
            Self::Many(cells) => cells.substantial > 0,
        }
    }

    /// The visible kind of the key, or of a field of it: that of the live cell with the greatest (hlc, actor).
    pub fn kind(&self, prefix: &Path, ties: &Ties) -> Option<Kind> {
        if let Self::One(path, held) = self {
            let path = path.borrowed();
            let kind = path.kind_below(prefix);
            return kind.filter(|_| path.starts_with(prefix) && is_substantial(&held.cell));
        }
        let (first, last) = self.outer_kinds(prefix)?;
        let is_pure = first == last;
        if is_pure && *prefix == Path::root() {
            return self.exists().then_some(first);
        }
        let mut substance = self.below(prefix).flat_map(|(path, cell)| {
            let kind = path.kind_below(prefix);
            cell.dots().iter().filter(|live| live.payload.is_substance()).map(move |live| (kind, live))
        });
        if is_pure {
            return substance.next().map(|_| first);
        }
        let own_first = !ties.rules.holds(Rule::TypePrefersOwn);
        let newest =
            substance.max_by_key(|(_, live)| (own_first && live.dot.actor.node == ties.me, live.rank()));
        newest.and_then(|(kind, _)| kind)
    }

    /// Is all that there is of this kind, without a time-to-live of its own?
    pub fn is_only(&self, kind: Kind) -> bool {
        !self.has_expiry() && self.exists() && self.outer_kinds(&Path::root()) == Some((kind, kind))
    }

    /// When the key ends: as its own time-to-live says, or else the winning value.
    pub fn end_ms(&self, ties: &Ties) -> Option<u64> {
        if let Self::One(path, held) = self {
            return cell_end_ms(path.borrowed(), ties.winner(&held.cell)?);
        }
        if self.has_expiry() {
            let own = self.cell(&Path::root().leaf(Leaf::Expiry)).and_then(|cell| ties.winner(cell));
            return if let Some(Payload::Expires(end)) = own.map(|live| &live.payload) { *end } else { None };
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
        let Self::One(_, held) = self else { return 0 };
        held.cell.dots().first().map_or(0, |live| live.dot.seq)
    }

    /// Where the cell at this place is.
    pub fn path_at(&self, place: u32) -> PathRef<'_> {
        match self {
            Self::One(path, _) => path.borrowed(),
            Self::Many(cells) => PathRef::of_encoded(&cells.table.at(place).name),
        }
    }

    pub fn is_empty(&self) -> bool {
        match self {
            Self::One(_, held) => held.cell.is_empty(),
            Self::Many(cells) => cells.table.len() == 0,
        }
    }

    /// A cell and its place, made if it is not there. Whoever changes it says so by [`Entry::reweigh`].
    pub fn held_mut(&mut self, path: &Path, seed: u64) -> (u32, &mut Held) {
        if let Self::One(own, held) = self
            && own.borrowed() != path.borrowed()
        {
            let own = own.borrowed().to_path();
            *self = Self::Many(Box::new(Cells::with(seed, &own, std::mem::take(held))));
        }
        match self {
            Self::One(_, held) => (0, held),
            Self::Many(cells) => {
                let place = cells.find_or_insert(path);
                (place, &mut cells.table.at_mut(place).value)
            }
        }
    }

    pub(super) fn outline(&self, ties: &Ties) -> Outline {
        Outline { exists: self.exists(), end_ms: self.end_ms(ties), bytes: self.bytes() }
    }

    /// A cell has changed. If it is empty now it goes.
    pub(super) fn reweigh(&mut self, path: &Path, place: u32, before: Weight) {
        let Self::Many(cells) = self else { return };
        let held = &cells.table.at(place).value;
        let (now, is_empty) = (Weight::of(&held.cell), held.cell.is_empty());
        cells.held = cells.held - before.bytes + now.bytes;
        cells.substantial =
            cells.substantial + usize::from(now.substantial) - usize::from(before.substantial);
        if is_empty {
            cells.remove(path, place);
        }
    }

    /// Memory that the cells take, in bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::One(path, held) => ShortPath::bytes_of(path.borrowed()) + cost::cell(&held.cell),
            Self::Many(cells) => Cells::frame_bytes() + cells.held,
        }
    }

    /// By how much the cells grow when a cell comes to hold one dot with a payload, in bytes.
    pub fn growth(&self, path: &Path, payload: &Payload) -> i64 {
        let wanted = signed(cost::payload(payload));
        match (self, self.cell(path)) {
            (_, Some(cell)) => wanted - signed(cost::cell(cell)),
            (Self::One(own, _), None) if own.borrowed() == path.borrowed() => wanted,
            (Self::One(own, _), None) => {
                let two = Cells::frame_bytes() + cell_bytes(own.borrowed()) + cell_bytes(path.borrowed());
                signed(two) - signed(ShortPath::bytes_of(own.borrowed())) + wanted
            }
            (Self::Many(_), None) => signed(cell_bytes(path.borrowed())) + wanted,
        }
    }

    /// [`Entry::bytes`], counted anew.
    pub fn bytes_again(&self) -> u64 {
        match self {
            Self::One(..) => self.bytes(),
            Self::Many(_) => {
                let cells = self.cells().map(|(path, cell)| cell_bytes(path) + cost::cell(cell));
                Cells::frame_bytes() + cells.sum::<u64>()
            }
        }
    }
}

impl Weight {
    pub fn of(cell: &Cell) -> Self {
        Self { bytes: cost::cell(cell), substantial: is_substantial(cell) }
    }
}

impl Cells {
    /// The first cell comes to lie at place 0, where an only cell is said to be.
    fn with(seed: u64, path: &Path, held: Held) -> Self {
        let mut cells = Self {
            table: Table::new(seed),
            nested: BTreeSet::new(),
            kinds: Default::default(),
            substantial: usize::from(is_substantial(&held.cell)),
            has_expiry: false,
            held: cost::cell(&held.cell),
        };
        let place = cells.insert(path, held);
        assert_eq!(place, 0, "it is the first");
        cells
    }

    fn all(&self) -> impl Iterator<Item = (PathRef<'_>, &Held)> {
        self.table.from(0).map(|named| (PathRef::of_encoded(&named.name), &named.value))
    }

    fn find(&self, path: &[u8]) -> Option<u32> {
        self.table.find(self.table.hash_of(path), path)
    }

    fn find_or_insert(&mut self, path: &Path) -> u32 {
        self.find(path.as_bytes()).unwrap_or_else(|| self.insert(path, Held::default()))
    }

    fn insert(&mut self, path: &Path, held: Held) -> u32 {
        self.count(path, |n| n + 1);
        self.held += cell_bytes(path.borrowed());
        if is_nested(path.borrowed()) {
            self.nested.insert(path.clone());
        }
        self.table.insert(self.table.hash_of(path.as_bytes()), path.as_bytes(), held)
    }

    fn remove(&mut self, path: &Path, place: u32) {
        self.count(path, |n| n - 1);
        self.held -= cell_bytes(path.borrowed());
        if is_nested(path.borrowed()) {
            self.nested.remove(path);
        }
        self.table.remove(place);
    }

    fn count(&mut self, path: &Path, change: impl Fn(u32) -> u32) {
        match path.kind_below(&Path::root()) {
            Some(kind) => self.kinds[kind as usize] = change(self.kinds[kind as usize]),
            None => self.has_expiry = change(u32::from(self.has_expiry)) > 0,
        }
    }

    /// The first and the last kind of which there are cells.
    fn root_kinds(&self) -> Option<(Kind, Kind)> {
        let first = self.kinds.iter().position(|n| *n > 0)?;
        let last = self.kinds.iter().rposition(|n| *n > 0)?;
        Some((Kind::ALL[first], Kind::ALL[last]))
    }

    /// The same below a field, where nothing is counted: a register there, and the first and the last in the order of paths.
    fn kinds_below(&self, prefix: &Path) -> Option<(Kind, Kind)> {
        let mut first = self.below(prefix).filter_map(|(path, _)| path.kind_below(prefix));
        let first = first.next()?;
        let from = match &prefix.end() {
            Some(end) => self.nested.range(prefix..end).next_back(),
            None => self.nested.range(prefix..).next_back(),
        };
        let last = from.filter(|path| path.starts_with(prefix)).and_then(|path| path.kind_below(prefix));
        Some((first, last.unwrap_or(first)))
    }

    /// The cells below a field, in the order of their paths.
    fn below<'a>(&'a self, prefix: &'a Path) -> impl Iterator<Item = (PathRef<'a>, &'a Cell)> {
        let register = prefix.leaf(Leaf::Register);
        let plain = if register.borrowed().is_plain_field() { self.find(register.as_bytes()) } else { None };
        let nested = self.nested.range(prefix..).take_while(|path| path.starts_with(prefix));
        let nested = nested.map(|path| self.find(path.as_bytes()).expect("each nested path has a cell"));
        plain.into_iter().chain(nested).map(|place| {
            let named = self.table.at(place);
            (PathRef::of_encoded(&named.name), &named.value.cell)
        })
    }

    fn frame_bytes() -> u64 {
        cost::allocated(size_of::<Self>())
    }
}

fn plain_field(name: &[u8]) -> Path {
    Path::root().field(name).leaf(Leaf::Register)
}

/// What a cell takes among several, without what it holds.
fn cell_bytes(path: PathRef<'_>) -> u64 {
    let nested = if is_nested(path) {
        cost::in_tree(size_of::<Path>()) + cost::shared(path.as_bytes().len())
    } else {
        0
    };
    Table::<Held>::bytes_of(path.as_bytes()) + nested
}

fn is_substantial(cell: &Cell) -> bool {
    cell.dots().iter().any(|live| live.payload.is_substance())
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).expect("less than all memory")
}

/// When a key ends that has only this cell with this winner.
fn cell_end_ms(path: PathRef<'_>, winner: &LiveDot) -> Option<u64> {
    match (path.last_if_plain()?, &winner.payload) {
        (Leaf::Expiry, Payload::Expires(end)) => *end,
        (Leaf::Register | Leaf::Text, Payload::Value { expires_ms, .. }) => *expires_ms,
        _ => None,
    }
}

/// Is it something else than a cell directly at its key, or a register in a field there?
fn is_nested(path: PathRef<'_>) -> bool {
    path.last_if_plain().is_none() && !path.is_plain_field()
}
