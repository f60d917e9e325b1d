//! The disk's thread on a disk that is full, and on one that fails otherwise.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use damson_core::persist::{Row, Table};
use damson_core::scope::ScopeName;
use damson_store::{Durability, LoadReport, Snapshot, Store, StoreError, Visit};
use parking_lot::Mutex;

use super::disk::{Disk, HEAL_INTERVAL, Sync, Ticket};

type Rows = BTreeMap<Bytes, Bytes>;

/// A disk that can be full, and has by then lost what was not flushed.
#[derive(Default)]
struct Platter {
    written: Rows,
    flushed: Rows,
    full: bool,
    broken: bool,
    poisoned: bool,
    /// The database has failed in the background.
    behind: bool,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Platter>>);

impl Platter {
    fn attempt(&mut self) -> Result<(), StoreError> {
        if std::mem::take(&mut self.behind) {
            self.poisoned = true;
            return Err(StoreError::Background { path: "database".into() });
        }
        if self.poisoned || self.full || self.broken {
            self.poisoned = true;
            self.written = self.flushed.clone();
            return Err(StoreError::Poisoned { first: "an earlier write".into() });
        }
        Ok(())
    }
}

impl Store for Shared {
    fn load(&mut self, _: &mut Visit<'_>) -> Result<LoadReport, StoreError> {
        Ok(LoadReport::default())
    }
    fn commit(&mut self, rows: &[Row], durability: Durability) -> Result<(), StoreError> {
        let mut disk = self.0.lock();
        disk.attempt()?;
        for row in rows {
            match &row.value {
                Some(value) => _ = disk.written.insert(row.key.clone(), value.clone()),
                None => _ = disk.written.remove(&row.key),
            }
        }
        if durability == Durability::Flushed {
            disk.flushed = disk.written.clone();
        }
        Ok(())
    }
    fn flush(&mut self) -> Result<(), StoreError> {
        let mut disk = self.0.lock();
        disk.attempt()?;
        disk.flushed = disk.written.clone();
        Ok(())
    }
    fn take_mark(&mut self) -> Result<Option<Bytes>, StoreError> {
        Ok(None)
    }
    fn leave_mark(&mut self, _: &[u8]) -> Result<(), StoreError> {
        self.flush()
    }
    fn snapshot(&mut self) -> Result<Box<dyn Snapshot>, StoreError> {
        unreachable!("nobody asks for one")
    }
    fn is_full(&self) -> bool {
        self.0.lock().full
    }
    fn reopen(&mut self) -> Result<(), StoreError> {
        self.0.lock().poisoned = false;
        Ok(())
    }
}

fn start() -> (Disk, Shared) {
    let shared = Shared::default();
    (Disk::start(Box::new(shared.clone()), Duration::from_secs(1), |_| Sync::Interval).unwrap(), shared)
}

fn put(disk: &Disk, ticket: u64, key: &'static str, value: Option<&'static str>) {
    let (key, value) = (Bytes::from_static(key.as_bytes()), value.map(|v| Bytes::from_static(v.as_bytes())));
    let scope: ScopeName = "app".parse().unwrap();
    disk.persist(Some(&scope), Ticket(ticket), vec![Row { table: Table::Cells, key, value }]);
}

#[tokio::test]
async fn a_full_disk_heals_and_nothing_that_was_written_meanwhile_or_before_is_missing() {
    let (disk, shared) = start();
    put(&disk, 1, "acknowledged", Some("1"));
    put(&disk, 2, "removed", Some("2"));
    disk.reached(Ticket(2)).await.unwrap();
    shared.0.lock().full = true;
    put(&disk, 3, "not acknowledged", Some("3"));
    assert!(disk.reached(Ticket(3)).await.is_err());
    assert!(disk.failure().is_some());
    let disk = Arc::new(disk);
    let waits = disk.clone();
    let waited = tokio::spawn(async move { waits.reached_at_last(Ticket(5)).await });
    put(&disk, 4, "from a peer", Some("4"));
    put(&disk, 5, "removed", None);
    assert!(shared.0.lock().written.is_empty(), "what was not flushed is lost");
    shared.0.lock().full = false;
    let mut ticket = 5;
    let healed = async {
        // Peers do not pause.
        while disk.failure().is_some() {
            ticket += 1;
            put(&disk, ticket, "from a peer", Some("4"));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), healed).await.expect("it heals by itself");
    waited.await.unwrap().expect("who waits for the disk hears of it in the end");
    disk.reached(Ticket(ticket)).await.unwrap();
    let keys: Vec<Bytes> = shared.0.lock().flushed.keys().cloned().collect();
    assert_eq!(keys, ["acknowledged", "from a peer", "not acknowledged"]);
    put(&disk, ticket + 1, "later", Some("6"));
    disk.reached(Ticket(ticket + 1)).await.unwrap();
}

#[tokio::test]
async fn a_disk_that_failed_otherwise_is_not_trusted_again() {
    let (disk, shared) = start();
    shared.0.lock().broken = true;
    put(&disk, 1, "a", Some("1"));
    disk.reached(Ticket(1)).await.unwrap_err();
    shared.0.lock().broken = false;
    tokio::time::sleep(2 * HEAL_INTERVAL).await;
    put(&disk, 2, "b", Some("2"));
    assert!(disk.reached(Ticket(2)).await.is_err() && disk.failure().is_some());
    assert!(shared.0.lock().written.is_empty());
}

#[tokio::test]
async fn a_database_that_fails_in_the_background_is_opened_again_and_not_again_and_again() {
    let (disk, shared) = start();
    put(&disk, 1, "a", Some("1"));
    disk.reached(Ticket(1)).await.unwrap();
    shared.0.lock().behind = true;
    put(&disk, 2, "b", Some("2"));
    disk.reached(Ticket(2)).await.unwrap_err();
    let healed = tokio::time::timeout(Duration::from_secs(30), disk.reached_at_last(Ticket(2))).await;
    healed.expect("it heals by itself").unwrap();
    let keys: Vec<Bytes> = shared.0.lock().flushed.keys().cloned().collect();
    assert_eq!(keys, ["a", "b"]);
    shared.0.lock().behind = true;
    put(&disk, 3, "c", Some("3"));
    let error = disk.reached_at_last(Ticket(3)).await.unwrap_err();
    assert!(error.contains("in the background"), "{error}");
}
