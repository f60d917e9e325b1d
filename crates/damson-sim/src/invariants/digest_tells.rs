//! Rule 11: a digest covers what dots say, so that damage shows.
//!
//! Two replicas are read from the rows of one disk, one of them with a changed value: equal contexts, other contents.
//! Their digests must differ.

use bytes::Bytes;
use damson_core::persist::Table;
use damson_core::replica::{Loader, ReplicaConfig};
use damson_core::scope::ScopeName;
use damson_crdt::{Actor, Digest, Rules};

use super::Finding;
use crate::disk::Rows;

const NAME: &str = "digest_tells";

/// `damaged` names a row whose last byte is flipped.
pub(crate) fn check(
    at: usize,
    rows: &Rows,
    damaged: &(Table, Bytes),
    actor: Actor,
    config: &ReplicaConfig,
    rules: Rules,
    scope: &ScopeName,
) -> Option<Finding> {
    let digest = |flip: bool| -> Option<Digest> {
        let mut loader = Loader::new(actor, config.clone(), rules);
        for ((table, key), value) in rows.iter().filter(|((_, key), _)| !key.starts_with(b"\0")) {
            let mut value = value.to_vec();
            if flip && (*table, key) == (damaged.0, &damaged.1) {
                *value.last_mut()? ^= 1;
            }
            loader.row(*table, key, &value).ok()?;
        }
        loader.finish().ok()?.get(scope).map(damson_core::replica::Replica::digest)
    };
    let (sound, damaged_digest) = (digest(false)?, digest(true)?);
    (sound == damaged_digest).then(|| Finding::at(at, NAME, format!("a changed value in {:?} leaves the digest as it was", damaged.1)))
}
