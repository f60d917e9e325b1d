//! What travels: a tag, and a cast on it.

use bytes::{BufMut, Bytes, BytesMut};
use damson_crdt::Actor;

use crate::scope::{ScopeName, ScopeNameError};

/// The longest body of a cast, in bytes: 1 MiB. The broadcast keeps a few megabytes for those who missed something.
pub const CAST_BYTES_MAX: usize = 1 << 20;
/// No process sends so many.
pub(super) const NUMBER_MAX: u64 = 1 << 48;
/// Actor and number in front of a cast's body.
const HEAD_BYTES: usize = Actor::BYTES + 8;

/// What casts are about: a name, 1 to [`Tag::BYTES_MAX`] bytes as those of scopes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(ScopeName);

/// A cast as it travels: whose, its number, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cast {
    /// The process: its node, and in place of a life the number drawn at its start.
    pub from: Actor,
    /// Its number on the tag, from 1.
    pub number: u64,
    /// What it says.
    pub body: Bytes,
}

impl Tag {
    /// How the names of streams begin.
    pub const PREFIX: &str = "~cast:";
    /// Longest name, in bytes.
    pub const BYTES_MAX: usize = ScopeName::BYTES_MAX - Self::PREFIX.len();

    /// A tag of this name.
    ///
    /// # Errors
    /// When the text is empty, longer than [`Tag::BYTES_MAX`] or has other characters than names of scopes.
    pub fn new(name: &str) -> Result<Self, ScopeNameError> {
        // Empty names would be the prefix alone.
        let text = if name.is_empty() { String::new() } else { format!("{}{name}", Self::PREFIX) };
        text.parse().map(Self)
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0.as_str()[Self::PREFIX.len()..]
    }

    /// The tag of a stream of casts; `None` for scopes.
    pub(crate) fn of(scope: &ScopeName) -> Option<Self> {
        (scope.is_cast() && scope.as_str().len() > Self::PREFIX.len()).then(|| Self(scope.clone()))
    }

    /// As the broadcast names it.
    pub(crate) fn scope(&self) -> &ScopeName {
        &self.0
    }
}

impl Cast {
    /// The bytes that travel.
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(HEAD_BYTES + self.body.len());
        out.put_slice(&self.from.to_bytes());
        out.put_u64(self.number);
        out.put_slice(&self.body);
        out.freeze()
    }

    /// The reverse; `None` when the bytes are no cast, or its number or length is beyond the limits.
    pub fn decode(payload: &Bytes) -> Option<Self> {
        let (head, body) = payload.split_at_checked(HEAD_BYTES)?;
        let (from, number) = head.split_at(Actor::BYTES);
        let number = u64::from_be_bytes(number.try_into().ok()?);
        let sound = (1..=NUMBER_MAX).contains(&number) && body.len() <= CAST_BYTES_MAX;
        let from = Actor::from_bytes(from).filter(|_| sound)?;
        Some(Self { from, number, body: payload.slice(HEAD_BYTES..) })
    }
}

/// Where the tags begin, in their order.
pub(super) fn first_tag() -> Tag {
    Tag(ScopeName::first_cast())
}
