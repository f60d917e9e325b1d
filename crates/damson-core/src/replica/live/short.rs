//! The path of a key's only cell, in as little room as can be: it stands beside each key.

use damson_crdt::{Path, PathRef};
use smallvec::SmallVec;

use super::cost;

/// The path of an only cell. Most are a register or a string directly at their key, and share one.
#[derive(Debug)]
pub(in crate::replica) enum ShortPath {
    Fixed(&'static [u8]),
    Own(Box<Encoded>),
}

/// The shares of counters, and short names of fields and elements, fit in.
type Encoded = SmallVec<[u8; INLINE_BYTES]>;

const INLINE_BYTES: usize = 32;

impl ShortPath {
    pub fn borrowed(&self) -> PathRef<'_> {
        PathRef::of_encoded(match self {
            Self::Fixed(encoded) => encoded,
            Self::Own(encoded) => encoded,
        })
    }

    /// Memory that such a path takes besides, in bytes.
    pub fn bytes_of(path: PathRef<'_>) -> u64 {
        let beyond = if path.as_bytes().len() > INLINE_BYTES { path.as_bytes().len() } else { 0 };
        match path.fixed() {
            Some(_) => 0,
            None => cost::allocated(size_of::<Encoded>()) + cost::allocated(beyond),
        }
    }
}

impl From<&Path> for ShortPath {
    fn from(path: &Path) -> Self {
        let own = || Self::Own(Box::new(path.as_bytes().into()));
        path.borrowed().fixed().map_or_else(own, Self::Fixed)
    }
}

#[cfg(test)]
mod tests {
    use damson_crdt::Leaf;

    use super::*;

    #[test]
    fn it_says_what_the_path_says_and_is_small() {
        assert_eq!(size_of::<ShortPath>(), 16);
        let long = Path::root().leaf(Leaf::Element(&[7; 100]));
        for path in [Path::root().leaf(Leaf::Text), Path::root().leaf(Leaf::Element(b"e")), long] {
            assert_eq!(ShortPath::from(&path).borrowed(), path.borrowed());
        }
    }
}
