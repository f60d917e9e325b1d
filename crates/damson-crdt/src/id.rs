//! Who writes: nodes and the lives of their state.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};

/// A node: the first 16 bytes of the BLAKE3 hash of its Ed25519 public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct NodeId(#[cbor(n(0), with = "minicbor::bytes")] pub [u8; 16]);

/// One life of a node's state, a fresh 64-bit random number. Every start is a new life, except after a clean stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct Life(#[n(0)] pub u64);

/// The author of operations: a node in one of its lives. Actors are ordered by their bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Actor {
    /// The node.
    pub node: NodeId,
    /// The life of its state.
    pub life: Life,
}

/// The text is not the hexadecimal form of an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a node id is 32 hexadecimal digits, got {0:?}")]
pub struct IdError(String);

impl Actor {
    /// Length of [`Actor::to_bytes`].
    pub const BYTES: usize = 24;

    /// An actor.
    pub const fn new(node: NodeId, life: Life) -> Self {
        Self { node, life }
    }

    /// Node id, then life in big-endian order, so that bytes sort as actors do.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut out = [0; Self::BYTES];
        out[..16].copy_from_slice(&self.node.0);
        out[16..].copy_from_slice(&self.life.0.to_be_bytes());
        out
    }

    /// The reverse of [`Actor::to_bytes`]; `None` when the length is not [`Actor::BYTES`].
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (node, life) = bytes.split_first_chunk::<16>()?;
        let life = life.try_into().ok().map(u64::from_be_bytes)?;
        Some(Self::new(NodeId(*node), Life(life)))
    }
}

/// As one number: the derived order would call a function for 16 bytes, in every look for an actor.
impl Ord for NodeId {
    fn cmp(&self, other: &Self) -> Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0[..4].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}.{:04x}", self.node, self.life.0 >> 48)
    }
}

impl FromStr for NodeId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let wrong = || IdError(text.chars().take(64).collect());
        if text.len() != 32 || !text.is_ascii() {
            return Err(wrong());
        }
        let mut out = [0; 16];
        for (byte, digits) in out.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_of_actors_sort_as_actors_do() {
        let a = Actor::new(NodeId([1; 16]), Life(0x0100));
        let b = Actor::new(NodeId([1; 16]), Life(0x0001_0000));
        assert!(a < b && a.to_bytes() < b.to_bytes());
        assert_eq!(Actor::from_bytes(&b.to_bytes()), Some(b));
        assert_eq!(Actor::from_bytes(&[0; 23]), None);
    }

    #[test]
    fn node_ids_read_back_and_refuse_nonsense() {
        let id = NodeId([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("xyz".parse::<NodeId>().is_err());
    }
}
