//! How an owner's data lie in the scope.
//!
//! ```text
//! owner (16), 0               base:    version (2), epoch (8), number (8), local data
//! owner (16), 1, number (8)   update:  version (2), epoch (8), update
//! ```
//! Numbers are big-endian. The *epoch* names a run of the publisher, the number counts its updates; a base has what all updates up
//! to its number have made. So from a base and the updates after it everything is known, and a gap shows.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use damson_core::crdt::NodeId;

const BASE: u8 = 0;
const UPDATE: u8 = 1;
const OWNER_BYTES: usize = 16;

/// How far an owner's data are known: of which run, up to which update, and as they are said in which version. In another version
/// more may be said, so that everything is to be read anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct At {
    pub epoch: u64,
    pub number: u64,
    pub version: u16,
}

/// Everything an owner has at some number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Base {
    pub at: At,
    pub data: Bytes,
}

/// One step from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Update {
    pub version: u16,
    pub epoch: u64,
    pub update: Bytes,
}

pub(super) fn base_key(owner: NodeId) -> Bytes {
    key(owner, BASE).freeze()
}

pub(super) fn update_key(owner: NodeId, number: u64) -> Bytes {
    let mut key = key(owner, UPDATE);
    key.put_u64(number);
    key.freeze()
}

fn key(owner: NodeId, kind: u8) -> BytesMut {
    let mut key = BytesMut::with_capacity(OWNER_BYTES + 9);
    key.put_slice(&owner.0);
    key.put_u8(kind);
    key
}

/// Whose record this is. Keys of other shapes are nobody's.
pub(super) fn owner_of(key: &[u8]) -> Option<NodeId> {
    let (owner, rest) = key.split_first_chunk::<OWNER_BYTES>()?;
    matches!((rest.first(), rest.len()), (Some(&BASE), 1) | (Some(&UPDATE), 9)).then_some(NodeId(*owner))
}

impl Base {
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(18 + self.data.len());
        out.put_u16(self.at.version);
        out.put_u64(self.at.epoch);
        out.put_u64(self.at.number);
        out.put_slice(&self.data);
        out.freeze()
    }

    pub fn decode(mut bytes: Bytes) -> Option<Self> {
        let version = bytes.try_get_u16().ok()?;
        let (epoch, number) = (bytes.try_get_u64().ok()?, bytes.try_get_u64().ok()?);
        Some(Self { at: At { epoch, number, version }, data: bytes })
    }
}

impl Update {
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(10 + self.update.len());
        out.put_u16(self.version);
        out.put_u64(self.epoch);
        out.put_slice(&self.update);
        out.freeze()
    }

    pub fn decode(mut bytes: Bytes) -> Option<Self> {
        let (version, epoch) = (bytes.try_get_u16().ok()?, bytes.try_get_u64().ok()?);
        Some(Self { version, epoch, update: bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_read_back_and_foreign_keys_are_nobodys() {
        let owner = NodeId([7; 16]);
        let base = Base { at: At { epoch: 1 << 60, number: 9, version: 2 }, data: "data".into() };
        assert_eq!(Base::decode(base.encode()), Some(base));
        let update = Update { version: 1, epoch: 3, update: Bytes::new() };
        assert_eq!(Update::decode(update.encode()), Some(update));
        assert_eq!((Base::decode(vec![0; 17].into()), Update::decode(vec![0; 9].into())), (None, None));
        for key in [base_key(owner), update_key(owner, u64::MAX)] {
            assert_eq!(owner_of(&key), Some(owner));
            assert_eq!((owner_of(&key[1..]), owner_of(&[&key[..], b"x"].concat())), (None, None));
        }
        assert_eq!(owner_of(b"somebody else's key"), None);
    }
}
