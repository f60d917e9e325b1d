//! What a disk keeps of a replica: rows in atomic groups, the newest of which a crash may lose.

use std::collections::BTreeMap;

use bytes::Bytes;
use damson_core::persist::{Row, Table};
use damson_core::replica::{Loader, Replica, ReplicaConfig};
use damson_core::scope::ScopeName;
use damson_crdt::{Actor, Rules};

#[derive(Clone, Default)]
pub struct Disk {
    rows: BTreeMap<(Table, Bytes), Bytes>,
    /// Groups that a crash may still lose.
    tail: Vec<Vec<Row>>,
}

pub fn scope() -> ScopeName {
    "test".parse().expect("a scope name")
}

impl Disk {
    pub fn write(&mut self, group: Vec<Row>) {
        if !group.is_empty() {
            self.tail.push(group);
        }
    }

    pub fn sync(&mut self) {
        let groups = self.tail.len();
        self.lose_all_but(groups);
    }

    /// How many groups a crash may lose.
    pub fn unsynced(&self) -> usize {
        self.tail.len()
    }

    /// A crash: of the unsynced groups the first few have reached the disk.
    pub fn lose_all_but(&mut self, groups: usize) {
        for row in self.tail.drain(..).take(groups).flatten() {
            match row.value {
                Some(value) => _ = self.rows.insert((row.table, row.key), value),
                None => _ = self.rows.remove(&(row.table, row.key)),
            }
        }
    }

    pub fn rows(&self, table: Table) -> impl Iterator<Item = (&Bytes, &Bytes)> {
        self.rows.iter().filter(move |((t, _), _)| *t == table).map(|((_, key), value)| (key, value))
    }

    /// The replica that a start finds here.
    pub fn load(&self, actor: Actor, config: &ReplicaConfig, rules: Rules) -> Result<Replica, String> {
        let mut loader = Loader::new(actor, config.clone(), rules);
        for ((table, key), value) in &self.rows {
            loader.row(*table, key, value).map_err(|fault| fault.to_string())?;
        }
        let mut found = loader.finish().map_err(|fault| fault.to_string())?;
        let fresh = || Replica::new(scope(), actor, config.clone(), rules);
        Ok(found.remove(&scope()).unwrap_or_else(fresh))
    }
}
