//! Rows, checked as a start checks them.

use std::collections::BTreeMap;

use damson_core::crdt::{Actor, Digest, Life, Limits, NodeId, Rules};
use damson_core::persist::{LIFE_KEY, Table};
use damson_core::replica::{LoadError, Loader, Replica, ReplicaConfig, scope_of_row};
use damson_core::scope::ScopeName;
use damson_store::{ROW_KEY_BYTES_MAX, ROW_VALUE_BYTES_MAX};

/// What was found of a scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedScope {
    /// Its name.
    pub name: ScopeName,
    /// Keys that exist.
    pub keys: u64,
    /// Cells with live dots.
    pub cells: u64,
    /// Removals that are remembered.
    pub removals: u64,
    /// Equal where the state is.
    pub digest: Digest,
}

/// Takes rows, and has all of them in memory as a node would.
pub(super) struct Contents {
    loader: Loader,
    cells: BTreeMap<ScopeName, u64>,
}

impl Default for Contents {
    fn default() -> Self {
        // Nobody writes, so it does not matter as whom.
        let nobody = Actor::new(NodeId([0; 16]), Life(0));
        let config = ReplicaConfig { limits: limits(), ..ReplicaConfig::default() };
        let loader = Loader::new(nobody, config, Rules::default());
        Self { loader, cells: BTreeMap::new() }
    }
}

/// All that a row can hold. Which limits the node had that wrote it is not known here, and the next start looks at its own.
fn limits() -> Limits {
    Limits {
        key_bytes_max: ROW_KEY_BYTES_MAX,
        value_bytes_max: ROW_VALUE_BYTES_MAX,
        element_bytes_max: ROW_KEY_BYTES_MAX,
        depth_max: ROW_KEY_BYTES_MAX,
        ranges_max: ROW_VALUE_BYTES_MAX,
        actors_max: ROW_VALUE_BYTES_MAX,
        ..Limits::default()
    }
}

impl Contents {
    pub fn row(&mut self, table: Table, key: &[u8], value: &[u8]) -> Result<(), LoadError> {
        if key == LIFE_KEY {
            return Ok(());
        }
        self.loader.row(table, key, value)?;
        if table == Table::Cells
            && let Some(scope) = scope_of_row(key)
        {
            *self.cells.entry(scope).or_default() += 1;
        }
        Ok(())
    }

    /// All scopes of which something is known.
    pub fn finish(self) -> Result<Vec<CheckedScope>, LoadError> {
        let Self { loader, cells } = self;
        let checked = |replica: &Replica| CheckedScope {
            name: replica.name().clone(),
            keys: replica.keys() as u64,
            cells: cells.get(replica.name()).copied().unwrap_or_default(),
            removals: replica.removals() as u64,
            digest: replica.digest(),
        };
        Ok(loader.finish()?.values().map(checked).collect())
    }
}
