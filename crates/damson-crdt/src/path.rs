//! Where a cell lies below its key: fields, then a leaf that says what kind of cell it is.
//!
//! A path is kept in its encoded form, one byte string, because there is one for each cell. The elements carry their
//! type, so that element `a` and field `a` are different cells. Tags are ordered so that the cells of one kind are
//! neighbours: whether all cells below a prefix are of one kind shows from the first and the last alone.

use std::fmt;

use bytes::Bytes;

use crate::id::Actor;
use crate::limits::{LimitError, Limits};

const EXPIRY: u8 = 0;
const REGISTER: u8 = 1;
const MULTI: u8 = 2;
const TEXT: u8 = 3;
const TEXT_COUNT: u8 = 4;
const COUNT: u8 = 5;
const MAX: u8 = 6;
const ENABLE_WINS: u8 = 7;
const DISABLE_WINS: u8 = 8;
const ELEMENT: u8 = 9;
const FIELD: u8 = 10;

/// The last element of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leaf<'a> {
    /// The time-to-live of a key (EXPIRE).
    Expiry,
    /// A last-writer-wins register.
    Register,
    /// A multi-value register.
    Multi,
    /// The base of a Redis string.
    Text,
    /// One actor's share of the counter in a Redis string.
    TextCount(Actor),
    /// One actor's share of a counter.
    Count(Actor),
    /// A register that keeps the greatest number.
    Max,
    /// A flag: enabling wins over concurrent disabling.
    EnableWins,
    /// A flag: disabling wins over concurrent enabling.
    DisableWins,
    /// An element of a set.
    Element(&'a [u8]),
}

/// The type of a key, or of a field of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// Last-writer-wins register.
    Register,
    /// Multi-value register.
    Multi,
    /// Redis string: a base and counters.
    Text,
    /// Counter.
    Counter,
    /// Register that keeps the greatest number.
    Max,
    /// Flag, enable wins.
    EnableWins,
    /// Flag, disable wins.
    DisableWins,
    /// Observed-remove set, add wins.
    Set,
    /// Observed-remove map.
    Map,
}

/// The place of a cell below its key; or, without a leaf, a prefix that several cells share.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Path(Bytes);

/// A borrowed [`Path`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathRef<'a>(&'a [u8]);

/// The bytes are no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PathError {
    /// The bytes do not follow the format. The operation that held them is refused as a whole.
    #[error("malformed path at byte {at}")]
    Malformed {
        /// Offset of the element that is wrong.
        at: usize,
    },
    /// An element is too long or the path too deep.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

enum Element<'a> {
    Field(&'a [u8]),
    Leaf(Leaf<'a>),
}

impl Path {
    /// The empty prefix: the key itself.
    pub const fn root() -> Self {
        Self(Bytes::new())
    }

    /// The cell of this kind directly here.
    #[must_use]
    pub fn leaf(&self, leaf: Leaf<'_>) -> Self {
        if self.0.is_empty()
            && let Some(fixed) = fixed_tag(leaf)
        {
            return Self(Bytes::from_static(fixed));
        }
        let mut out = Vec::with_capacity(self.0.len() + 26);
        out.extend_from_slice(&self.0);
        out.push(tag_of(leaf));
        match leaf {
            Leaf::TextCount(actor) | Leaf::Count(actor) => out.extend_from_slice(&actor.to_bytes()),
            Leaf::Element(element) => out.extend_from_slice(element),
            _ => {}
        }
        Self(out.into())
    }

    /// The prefix of a field here.
    #[must_use]
    pub fn field(&self, name: &[u8]) -> Self {
        let mut out = Vec::with_capacity(self.0.len() + name.len() + 6);
        out.extend_from_slice(&self.0);
        out.push(FIELD);
        let len = u32::try_from(name.len()).expect("field names are checked against their limit");
        out.extend_from_slice(&len.to_be_bytes());
        out.extend_from_slice(name);
        Self(out.into())
    }

    /// A path from outside: well-formed, within the limits, and ending in a leaf.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, PathError> {
        let (mut at, mut depth) = (0, 0);
        loop {
            match next(bytes, at).ok_or(PathError::Malformed { at })? {
                (Element::Field(name), end) => {
                    LimitError::check("field name bytes", name.len(), limits.element_bytes_max)?;
                    depth += 1;
                    LimitError::check("depth of nested fields", depth, limits.depth_max)?;
                    at = end;
                }
                (Element::Leaf(leaf), end) if end == bytes.len() => {
                    if let Leaf::Element(element) = leaf {
                        LimitError::check("set element bytes", element.len(), limits.element_bytes_max)?;
                    }
                    let shared = depth == 0 && fixed_tag(leaf).is_some();
                    return Ok(if shared {
                        Self::root().leaf(leaf)
                    } else {
                        Self(Bytes::copy_from_slice(bytes))
                    });
                }
                _ => return Err(PathError::Malformed { at }),
            }
        }
    }

    /// The encoded form.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The same, borrowed.
    pub fn borrowed(&self) -> PathRef<'_> {
        PathRef(&self.0)
    }

    /// Does this path lie below the prefix?
    pub fn starts_with(&self, prefix: &Self) -> bool {
        self.borrowed().starts_with(prefix)
    }

    /// The field names on the way.
    pub fn fields(&self) -> impl Iterator<Item = &[u8]> {
        self.borrowed().fields()
    }

    /// What kind of cell it is.
    ///
    /// # Panics
    /// On a prefix, which has no leaf.
    pub fn last(&self) -> Leaf<'_> {
        self.borrowed().last()
    }

    /// What kind of cell it is, unless it lies in a field.
    pub fn last_if_plain(&self) -> Option<Leaf<'_>> {
        self.borrowed().last_if_plain()
    }

    /// What a cell at this path makes of the key or field at `prefix`; `None` for a time-to-live.
    pub fn kind_below(&self, prefix: &Self) -> Option<Kind> {
        self.borrowed().kind_below(prefix)
    }

    /// The first path that is greater than all below this prefix; `None` when there is none.
    pub fn end(&self) -> Option<Self> {
        let mut out = self.0.to_vec();
        while out.last() == Some(&u8::MAX) {
            out.pop();
        }
        *out.last_mut()? += 1;
        Some(Self(out.into()))
    }
}

impl<'a> PathRef<'a> {
    /// The path in this encoded form, which [`Path::as_bytes`] has given.
    pub fn of_encoded(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The encoded form.
    pub fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// A path of its own.
    pub fn to_path(self) -> Path {
        Path(self.fixed().map_or_else(|| Bytes::copy_from_slice(self.0), Bytes::from_static))
    }

    /// The encoded form in memory that is always there, of a cell that has nothing but its kind for a name.
    pub fn fixed(self) -> Option<&'static [u8]> {
        self.last_if_plain().and_then(fixed_tag)
    }

    /// Does this path lie below the prefix?
    pub fn starts_with(self, prefix: &Path) -> bool {
        self.0.starts_with(&prefix.0)
    }

    /// The field names on the way.
    pub fn fields(self) -> impl Iterator<Item = &'a [u8]> {
        let mut at = 0;
        std::iter::from_fn(move || match next(self.0, at)? {
            (Element::Field(name), end) => {
                at = end;
                Some(name)
            }
            _ => None,
        })
    }

    /// What kind of cell it is.
    ///
    /// # Panics
    /// On a prefix, which has no leaf.
    pub fn last(self) -> Leaf<'a> {
        let mut at = 0;
        loop {
            match next(self.0, at).expect("a cell's path ends in a leaf") {
                (Element::Field(_), end) => at = end,
                (Element::Leaf(leaf), _) => return leaf,
            }
        }
    }

    /// What kind of cell it is, unless it lies in a field.
    pub fn last_if_plain(self) -> Option<Leaf<'a>> {
        match next(self.0, 0)? {
            (Element::Leaf(leaf), _) => Some(leaf),
            _ => None,
        }
    }

    /// Is it a register in a field of a key's own map?
    pub fn is_plain_field(self) -> bool {
        match next(self.0, 0) {
            Some((Element::Field(_), end)) => self.0[end..] == [REGISTER],
            _ => false,
        }
    }

    /// The name of the field in which this cell lies below `prefix`.
    pub fn field_below(self, prefix: &Path) -> Option<&'a [u8]> {
        match next(self.0, prefix.0.len())? {
            (Element::Field(name), _) => Some(name),
            _ => None,
        }
    }

    /// What a cell at this path makes of the key or field at `prefix`; `None` for a time-to-live.
    pub fn kind_below(self, prefix: &Path) -> Option<Kind> {
        match *self.0.get(prefix.0.len())? {
            REGISTER => Some(Kind::Register),
            MULTI => Some(Kind::Multi),
            TEXT | TEXT_COUNT => Some(Kind::Text),
            COUNT => Some(Kind::Counter),
            MAX => Some(Kind::Max),
            ENABLE_WINS => Some(Kind::EnableWins),
            DISABLE_WINS => Some(Kind::DisableWins),
            ELEMENT => Some(Kind::Set),
            FIELD => Some(Kind::Map),
            _ => None,
        }
    }
}

impl Kind {
    /// All of them, in the order of their cells.
    pub const ALL: [Self; 9] = [
        Self::Register,
        Self::Multi,
        Self::Text,
        Self::Counter,
        Self::Max,
        Self::EnableWins,
        Self::DisableWins,
        Self::Set,
        Self::Map,
    ];

    /// The name of the type, as TYPE and errors show it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Multi => "multi-register",
            Self::Text => "string",
            Self::Counter => "counter",
            Self::Max => "max",
            Self::EnableWins => "flag",
            Self::DisableWins => "flag-disable-wins",
            Self::Set => "set",
            Self::Map => "hash",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.borrowed())
    }
}

impl fmt::Debug for PathRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.fields().try_for_each(|name| write!(f, "/{}", name.escape_ascii()))?;
        match next(self.0, self.fields().map(|name| name.len() + 5).sum()) {
            Some((Element::Leaf(leaf), _)) => write!(f, "/{leaf:?}"),
            _ => Ok(()),
        }
    }
}

fn tag_of(leaf: Leaf<'_>) -> u8 {
    match leaf {
        Leaf::Expiry => EXPIRY,
        Leaf::Register => REGISTER,
        Leaf::Multi => MULTI,
        Leaf::Text => TEXT,
        Leaf::TextCount(_) => TEXT_COUNT,
        Leaf::Count(_) => COUNT,
        Leaf::Max => MAX,
        Leaf::EnableWins => ENABLE_WINS,
        Leaf::DisableWins => DISABLE_WINS,
        Leaf::Element(_) => ELEMENT,
    }
}

/// Leaves without contents share static bytes: a million registers have no path on the heap.
fn fixed_tag(leaf: Leaf<'_>) -> Option<&'static [u8]> {
    match leaf {
        Leaf::Expiry => Some(&[EXPIRY]),
        Leaf::Register => Some(&[REGISTER]),
        Leaf::Multi => Some(&[MULTI]),
        Leaf::Text => Some(&[TEXT]),
        Leaf::Max => Some(&[MAX]),
        Leaf::EnableWins => Some(&[ENABLE_WINS]),
        Leaf::DisableWins => Some(&[DISABLE_WINS]),
        Leaf::TextCount(_) | Leaf::Count(_) | Leaf::Element(_) => None,
    }
}

/// The element at `at` and where it ends.
fn next(bytes: &[u8], at: usize) -> Option<(Element<'_>, usize)> {
    let (tag, rest) = bytes.get(at..)?.split_first()?;
    let leaf = |leaf| Some((Element::Leaf(leaf), at + 1));
    match *tag {
        EXPIRY => leaf(Leaf::Expiry),
        REGISTER => leaf(Leaf::Register),
        MULTI => leaf(Leaf::Multi),
        TEXT => leaf(Leaf::Text),
        MAX => leaf(Leaf::Max),
        ENABLE_WINS => leaf(Leaf::EnableWins),
        DISABLE_WINS => leaf(Leaf::DisableWins),
        TEXT_COUNT | COUNT => {
            let actor = Actor::from_bytes(rest.get(..Actor::BYTES)?)?;
            let leaf = if *tag == COUNT { Leaf::Count(actor) } else { Leaf::TextCount(actor) };
            Some((Element::Leaf(leaf), at + 1 + Actor::BYTES))
        }
        ELEMENT => Some((Element::Leaf(Leaf::Element(rest)), bytes.len())),
        FIELD => {
            let (len, rest) = rest.split_first_chunk::<4>()?;
            let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
            let name = rest.get(..len)?;
            Some((Element::Field(name), at + 5 + len))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Life, NodeId};

    #[test]
    fn element_and_field_of_one_name_are_different_cells() {
        let root = Path::root();
        assert_ne!(root.leaf(Leaf::Element(b"a")), root.field(b"a").leaf(Leaf::Register));
    }

    #[test]
    fn paths_read_back_from_their_bytes() {
        let actor = Actor::new(NodeId([7; 16]), Life(9));
        let deep = Path::root().field(b"x").field(b"").leaf(Leaf::Count(actor));
        let limits = Limits::default();
        assert_eq!(Path::parse(deep.as_bytes(), &limits), Ok(deep.clone()));
        assert_eq!(deep.fields().collect::<Vec<_>>(), [&b"x"[..], b""]);
        assert_eq!(deep.last(), Leaf::Count(actor));
        assert_eq!(deep.kind_below(&Path::root()), Some(Kind::Map));
        assert_eq!(deep.kind_below(&Path::root().field(b"x").field(b"")), Some(Kind::Counter));
        assert_eq!(deep.borrowed().field_below(&Path::root()).unwrap(), b"x");
        assert_eq!(deep.borrowed().to_path(), deep);
        assert!(!deep.borrowed().is_plain_field());
        assert!(Path::root().field(b"x").leaf(Leaf::Register).borrowed().is_plain_field());
    }

    #[test]
    fn malformed_and_oversized_paths_are_refused() {
        let limits = Limits { element_bytes_max: 4, depth_max: 1, ..Limits::default() };
        for bad in [
            &b""[..],
            &[99],
            &[REGISTER, 0],
            &[FIELD, 0, 0],
            &[FIELD, 255, 255, 255, 255],
            &[COUNT, 1],
            &[FIELD, 0, 0, 0, 0],
        ] {
            assert!(matches!(Path::parse(bad, &limits), Err(PathError::Malformed { .. })), "{bad:?}");
        }
        let long = Path::root().leaf(Leaf::Element(b"12345"));
        let deep = Path::root().field(b"a").field(b"b").leaf(Leaf::Max);
        for over in [long, deep] {
            assert!(matches!(Path::parse(over.as_bytes(), &limits), Err(PathError::Limit(_))));
        }
    }

    #[test]
    fn the_end_of_a_prefix_is_beyond_all_below_it() {
        let prefix = Path::root().field(&[255, 255]);
        let end = prefix.end().unwrap();
        assert!(prefix.leaf(Leaf::Element(&[255; 40])) < end);
        assert_eq!(Path::root().end(), None);
    }
}
