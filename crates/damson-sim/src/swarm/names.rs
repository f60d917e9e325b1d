//! What nodes are called: ids, addresses, the table of authors.

use std::sync::Arc;

use damson_core::broadcast::SourceTable;
use damson_crdt::NodeId;
use xxhash_rust::xxh3::xxh3_128;

/// A node's id. It ends with the node's number, so that no table is needed to find it.
pub(crate) fn id_of(seed: u64, at: u32) -> NodeId {
    let mut id = xxh3_128(format!("{seed}/{at}").as_bytes()).to_be_bytes();
    id[12..].copy_from_slice(&at.to_be_bytes());
    NodeId(id)
}

pub(crate) fn number_of(id: NodeId) -> u32 {
    let (_, number) = id.0.split_last_chunk().expect("an id has 16 bytes");
    u32::from_be_bytes(*number)
}

pub(crate) fn address_of(at: u32) -> String {
    format!("n{at}")
}

pub(crate) fn at_address(address: &str) -> Option<u32> {
    address.strip_prefix('n')?.parse().ok()
}

/// All nodes that will ever be there, as possible authors.
pub(crate) fn sources(seed: u64, all: u32) -> Arc<SourceTable> {
    Arc::new(SourceTable::of((0..all).map(|at| id_of(seed, at))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_from_ids_and_addresses() {
        for at in [0, 1, 255, 256, 99_999] {
            assert_eq!(number_of(id_of(7, at)), at);
            assert_eq!(at_address(&address_of(at)), Some(at));
        }
        assert_ne!(id_of(1, 5), id_of(2, 5));
        assert_eq!(at_address("x5"), None);
    }
}
