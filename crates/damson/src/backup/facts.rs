//! What is known of a backup when it begins.

use damson_core::node::Node as Core;
use damson_core::replica::Replica;
use damson_core::time::Now;
use serde::{Deserialize, Serialize};

/// Of which node and which instant a backup is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// The snapshot: 16 hexadecimal digits, drawn at random.
    pub id: String,
    /// The id of the node.
    pub node: String,
    /// Its name, a label for people.
    pub name: String,
    /// Its cluster.
    pub realm: String,
    /// The version of the program that wrote it.
    pub version: String,
    /// Its wall time at the snapshot, in milliseconds since 1970.
    pub wall_ms: u64,
    /// The scopes, in the order of their names.
    pub scopes: Vec<ScopeFacts>,
    /// Scopes that the node keeps in memory only, and that are therefore not in the backup.
    pub left_out: Vec<String>,
    /// About as many rows, to tell how far it is.
    pub rows_about: u64,
}

/// A scope as it was at the snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScopeFacts {
    /// Its name.
    pub name: String,
    /// Keys that existed.
    pub keys: u64,
    /// Its digest, 32 hexadecimal digits.
    pub digest: String,
}

impl Facts {
    /// Of a node as it is now. `is_stored` says which scopes are on disk.
    pub(crate) fn of(node: &Core, now: Now, id: u64, is_stored: impl Fn(&Replica) -> bool) -> Self {
        let shared = || node.replicas().filter(|r| !r.name().is_system() && !r.context().is_empty());
        let stored = || shared().filter(|replica| is_stored(replica));
        Self {
            id: format!("{id:016x}"),
            node: node.id().to_string(),
            name: node.config().name.clone(),
            realm: node.config().realm.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            wall_ms: now.wall_ms,
            scopes: stored().map(ScopeFacts::of).collect(),
            left_out: shared().filter(|r| !is_stored(r)).map(|r| r.name().to_string()).collect(),
            rows_about: stored().map(rows_of).sum(),
        }
    }

    /// Keys of all scopes.
    #[must_use]
    pub fn keys(&self) -> u64 {
        self.scopes.iter().map(|scope| scope.keys).sum()
    }
}

impl ScopeFacts {
    fn of(replica: &Replica) -> Self {
        Self {
            name: replica.name().to_string(),
            keys: replica.keys() as u64,
            digest: replica.digest().to_string(),
        }
    }
}

/// Most cells have one live dot.
fn rows_of(replica: &Replica) -> u64 {
    (replica.live_dots() + replica.context().iter().count() + replica.removals()) as u64
}
