//! Rule 11: a digest covers what dots say, so that damage shows.
//!
//! Two replicas are read from the rows of one disk, one of them with a changed value: equal contexts, other contents.
//! Their digests must differ.

use bytes::Bytes;
use damson_core::persist::Table;
use damson_core::replica::{Loader, Replica, ReplicaConfig};
use damson_core::scope::ScopeName;
use damson_crdt::{Actor, Digest, Rules};

use super::Finding;
use crate::disk::Rows;

const NAME: &str = "digest_tells";

/// How far from the end of a row a byte is changed; payloads stand last.
const FLIPS_MAX: usize = 8;

/// `damaged` names the row in which a byte is changed.
pub(crate) fn check(at: usize, twin: &Twin<'_>, damaged: &(Table, Bytes)) -> Option<Finding> {
    let sound = twin.load(None)?;
    let altered = (1..=FLIPS_MAX).find_map(|flip| twin.load(Some((damaged, flip))))?;
    (sound == altered).then(|| {
        Finding::at(
            at,
            NAME,
            format!("a changed value in the row {:?} leaves the digest as it was", damaged.1),
        )
    })
}

/// What is needed to read a replica from a disk a second time.
pub(crate) struct Twin<'a> {
    pub rows: &'a Rows,
    pub actor: Actor,
    pub config: &'a ReplicaConfig,
    pub rules: Rules,
    pub scope: &'a ScopeName,
}

impl Twin<'_> {
    /// The digest of the replica that these rows are, with a byte of one of them changed.
    fn load(&self, damaged: Option<(&(Table, Bytes), usize)>) -> Option<Digest> {
        let mut loader = Loader::new(self.actor, self.config.clone(), self.rules);
        for ((table, key), value) in self.rows.iter().filter(|((_, key), _)| !key.starts_with(b"\0")) {
            let mut value = value.to_vec();
            if let Some((row, flip)) = damaged.filter(|(row, _)| (row.0, &row.1) == (*table, key)) {
                let place = value.len().checked_sub(flip)?;
                *value.get_mut(place)? ^= 1;
                debug_assert_eq!(row.0, Table::Cells, "only values are changed");
            }
            loader.row(*table, key, &value).ok()?;
        }
        loader.finish().ok()?.get(self.scope).map(Replica::digest)
    }
}
