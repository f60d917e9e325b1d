//! What stays when a store is closed: the thing under test, between two opens.

use std::fs;
use std::path::PathBuf;

use damson_core::persist::Table;
use damson_store::{DataDir, FjallStore, MemoryStore, Store};
use tempfile::TempDir;

/// A place where a store keeps its rows, and ways to harm it while the store is closed.
pub trait Disk {
    type Store: Store;
    fn new() -> Self;
    fn open(&mut self) -> Self::Store;
    fn close(&mut self, store: Self::Store);
    fn damage_row(&mut self, table: Table, key: &[u8]);
    fn damage_mark(&mut self);
}

/// Memory survives for as long as the test holds it.
pub struct Memory(Option<MemoryStore>);

impl Disk for Memory {
    type Store = MemoryStore;

    fn new() -> Self {
        Self(Some(MemoryStore::new()))
    }

    fn open(&mut self) -> MemoryStore {
        let mut store = self.0.take().expect("the store is closed");
        store.reopen().unwrap();
        store
    }

    fn close(&mut self, store: MemoryStore) {
        self.0 = Some(store);
    }

    fn damage_row(&mut self, table: Table, key: &[u8]) {
        assert!(self.0.as_mut().unwrap().damage_row(table, key));
    }

    fn damage_mark(&mut self) {
        assert!(self.0.as_mut().unwrap().damage_mark());
    }
}

/// A data directory of its own.
pub struct Directory(TempDir);

impl Directory {
    pub fn path(&self) -> PathBuf {
        self.0.path().join("data")
    }

    pub fn rows(&self) -> PathBuf {
        self.path().join("database/rows")
    }

    pub fn mark(&self) -> PathBuf {
        self.path().join("database/clean-stop")
    }

    /// The database as its own library sees it. Only while the store is closed.
    pub fn raw(&self) -> fjall::Database {
        fjall::Database::builder(self.rows()).open().unwrap()
    }
}

impl Disk for Directory {
    type Store = FjallStore;

    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn open(&mut self) -> FjallStore {
        FjallStore::open(&DataDir::open(self.path()).unwrap()).unwrap()
    }

    fn close(&mut self, store: FjallStore) {
        drop(store);
    }

    fn damage_row(&mut self, table: Table, key: &[u8]) {
        let name = ["cells", "contexts", "removals", "meta"][table as usize];
        let raw = self.raw();
        let keyspace = raw.keyspace(name, Default::default).unwrap();
        let mut stored = keyspace.get(key).unwrap().expect("the row is there").to_vec();
        *stored.last_mut().unwrap() ^= 1;
        keyspace.insert(key, stored).unwrap();
    }

    fn damage_mark(&mut self) {
        let mark = fs::read(self.mark()).unwrap();
        fs::write(self.mark(), &mark[..mark.len() - 1]).unwrap();
    }
}
