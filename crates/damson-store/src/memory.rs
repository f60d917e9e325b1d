//! A store that forgets when it is dropped.

use std::collections::BTreeMap;
use std::io;
use std::ops::Bound;

use bytes::Bytes;
use damson_core::persist::{Row, Table};

use crate::health::Health;
use crate::snapshot::{Position, Snapshot, VisitSome};
use crate::store::{Durability, LoadReport, Store, Visit};
use crate::{StoreError, batch, mark, seal};

/// Rows in memory, for tests, simulations and nodes that keep nothing on disk.
///
/// It survives what its owner makes it survive: whoever plays a crash keeps the store and drops the node. Both kinds of
/// damage and a failing disk can be played too.
#[derive(Debug, Default)]
pub struct MemoryStore {
    rows: Rows,
    mark: Option<Bytes>,
    mark_damaged: bool,
    next_failure: Option<StoreError>,
    full: bool,
    health: Health,
}

type Rows = BTreeMap<(Table, Bytes), Sealed>;

#[derive(Debug, Clone)]
struct Sealed {
    checksum: u64,
    value: Bytes,
}

impl MemoryStore {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the next write fail with `error`, before it does anything, and so poisons the store.
    pub fn fail_next(&mut self, error: StoreError) {
        self.next_failure = Some(error);
    }

    /// Damages a row; `false` if there is none.
    pub fn damage_row(&mut self, table: Table, key: &[u8]) -> bool {
        let row = self.rows.get_mut(&(table, Bytes::copy_from_slice(key)));
        row.map(|sealed| sealed.checksum ^= 1).is_some()
    }

    /// Damages the mark; `false` if there is none.
    pub fn damage_mark(&mut self) -> bool {
        self.mark_damaged = self.mark.take().is_some();
        self.mark_damaged
    }

    /// From now on there is no room, or there is again.
    pub fn set_full(&mut self, full: bool) {
        self.full = full;
    }

    fn forget_mark(&mut self) -> Option<Bytes> {
        self.mark_damaged = false;
        self.mark.take()
    }

    /// The start of every write: refuses if one has failed, and fails if a test asked for it.
    fn begin_write(&mut self) -> Result<(), StoreError> {
        self.health.check()?;
        let outcome = self.next_failure.take().or_else(|| self.full.then(no_room)).map_or(Ok(()), Err);
        self.health.note(outcome)
    }
}

impl Store for MemoryStore {
    fn load(&mut self, visit: &mut Visit<'_>) -> Result<LoadReport, StoreError> {
        let mut report = LoadReport { mark_damaged: self.mark_damaged, ..LoadReport::default() };
        for ((table, key), sealed) in &self.rows {
            let intact = sealed.checksum == seal::checksum(*table, key, &sealed.value);
            report.visit(*table, key, intact.then_some(&sealed.value), visit);
        }
        Ok(report)
    }

    fn commit(&mut self, rows: &[Row], _durability: Durability) -> Result<(), StoreError> {
        self.health.check()?;
        batch::check(rows)?;
        self.begin_write()?;
        self.forget_mark();
        for row in rows {
            let key = (row.table, row.key.clone());
            match &row.value {
                None => drop(self.rows.remove(&key)),
                Some(value) => {
                    let checksum = seal::checksum(row.table, &row.key, value);
                    self.rows.insert(key, Sealed { checksum, value: value.clone() });
                }
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.begin_write()
    }

    fn take_mark(&mut self) -> Result<Option<Bytes>, StoreError> {
        self.begin_write()?;
        Ok(self.forget_mark())
    }

    fn leave_mark(&mut self, mark: &[u8]) -> Result<(), StoreError> {
        self.health.check()?;
        mark::check(mark)?;
        self.begin_write()?;
        self.forget_mark();
        self.mark = Some(Bytes::copy_from_slice(mark));
        Ok(())
    }

    fn is_full(&self) -> bool {
        self.full
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.health = Health::default();
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Box<dyn Snapshot>, StoreError> {
        self.flush()?;
        Ok(Box::new(MemorySnapshot(self.rows.clone())))
    }
}

fn no_room() -> StoreError {
    StoreError::Io { action: "write", path: "memory".into(), source: io::ErrorKind::StorageFull.into() }
}

/// A copy of all rows; keys and values are shared.
struct MemorySnapshot(Rows);

impl Snapshot for MemorySnapshot {
    fn rows(&self, after: Option<Position<'_>>, visit: &mut VisitSome<'_>) -> Result<(), StoreError> {
        let behind = after.map(|(table, key)| (table, Bytes::copy_from_slice(key)));
        let from = behind.map_or(Bound::Unbounded, Bound::Excluded);
        for ((table, key), sealed) in self.0.range((from, Bound::Unbounded)) {
            if sealed.checksum != seal::checksum(*table, key, &sealed.value) {
                return Err(StoreError::damaged_row(*table, key));
            }
            if visit(*table, key, &sealed.value).is_break() {
                break;
            }
        }
        Ok(())
    }
}
