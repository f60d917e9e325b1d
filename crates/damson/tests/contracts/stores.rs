//! Nodes that keep their rows in a store of the application's own.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use damson::backup::BackupError;
use damson::identity::Identity;
use damson::store::{
    Durability, LoadReport, Position, Row, Snapshot, Store, StoreError, Table, Visit, VisitSome,
};
use damson::transport::{MemoryNetwork, MemoryTransport};
use damson::{Node, NodeBuilder, StartError, WriteError};
use tokio::time::timeout;

use crate::datagrams::{agree, eventually, quick};

/// Rows that outlive every node: an application's own database.
#[derive(Clone, Default)]
struct Shelf {
    content: Arc<Mutex<Content>>,
    fails: Arc<AtomicBool>,
}

#[derive(Clone, Default)]
struct Content {
    rows: BTreeMap<(Table, Bytes), Bytes>,
    mark: Option<Bytes>,
}

impl Shelf {
    fn check(&self) -> Result<(), StoreError> {
        if !self.fails.load(Ordering::Relaxed) {
            return Ok(());
        }
        Err(StoreError::Write { path: "shelf".into(), source: io::Error::other("the shelf broke").into() })
    }
}

impl Store for Shelf {
    fn load(&mut self, visit: &mut Visit<'_>) -> Result<LoadReport, StoreError> {
        let mut report = LoadReport::default();
        for ((table, key), value) in &self.content.lock().unwrap().rows {
            report.rows += 1;
            visit(*table, key, value);
        }
        Ok(report)
    }

    fn commit(&mut self, rows: &[Row], _durability: Durability) -> Result<(), StoreError> {
        self.check()?;
        let mut content = self.content.lock().unwrap();
        content.mark = None;
        for row in rows {
            let key = (row.table, row.key.clone());
            match &row.value {
                Some(value) => _ = content.rows.insert(key, value.clone()),
                None => _ = content.rows.remove(&key),
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StoreError> {
        self.check()
    }

    fn take_mark(&mut self) -> Result<Option<Bytes>, StoreError> {
        Ok(self.content.lock().unwrap().mark.take())
    }

    fn leave_mark(&mut self, mark: &[u8]) -> Result<(), StoreError> {
        self.check()?;
        self.content.lock().unwrap().mark = Some(Bytes::copy_from_slice(mark));
        Ok(())
    }

    fn snapshot(&mut self) -> Result<Box<dyn Snapshot>, StoreError> {
        Ok(Box::new(self.content.lock().unwrap().clone()))
    }

    fn is_full(&self) -> bool {
        false
    }

    fn reopen(&mut self) -> Result<(), StoreError> {
        self.check()
    }
}

impl Snapshot for Content {
    fn rows(&self, after: Option<Position<'_>>, visit: &mut VisitSome<'_>) -> Result<(), StoreError> {
        let behind = |(table, key): &(Table, Bytes)| after.is_none_or(|after| (*table, &key[..]) > after);
        for ((table, key), value) in self.rows.iter().filter(|(place, _)| behind(place)) {
            if let ControlFlow::Break(()) = visit(*table, key, value) {
                break;
            }
        }
        Ok(())
    }
}

/// A member with a shelf, and a key pair that is kept too.
struct Member {
    name: &'static str,
    key: tempfile::TempDir,
    shelf: Shelf,
}

impl Member {
    fn new(name: &'static str) -> Self {
        Self { name, key: tempfile::tempdir().unwrap(), shelf: Shelf::default() }
    }

    fn transport(&self, network: &MemoryNetwork) -> (Identity, MemoryTransport) {
        let identity = Identity::load_or_create(self.key.path().join("key")).unwrap();
        let transport = network.transport(self.name, identity.node_id());
        (identity, transport)
    }

    fn builder(&self, network: &MemoryNetwork) -> NodeBuilder {
        let (identity, transport) = self.transport(network);
        quick(self.name).identity(identity).transport(transport).store(self.shelf.clone())
    }

    async fn start(&self, network: &MemoryNetwork) -> Node {
        let builder = self.builder(network);
        if self.name == "a" { builder.join("b") } else { builder.join("a") }.start().await.unwrap()
    }
}

async fn add(node: &Node, n: i64) {
    node.scope("app").unwrap().counter("n").add(n).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn state_outlives_its_nodes_a_clean_stop_keeps_the_life_and_a_crash_begins_another() {
    let network = MemoryNetwork::new();
    let members = ["a", "b", "c"].map(Member::new);
    let mut nodes = Vec::new();
    for member in &members {
        nodes.push(member.start(&network).await);
    }
    for node in &nodes {
        add(node, 1).await;
    }
    agree(&nodes.iter().collect::<Vec<_>>(), 3).await;
    let lives: Vec<_> = nodes.iter().map(Node::life).collect();
    nodes[0].stop().await.unwrap();
    nodes[1].stop().await.unwrap();
    nodes[2].abandon();
    drop(nodes);
    let mut nodes = Vec::new();
    for member in &members {
        nodes.push(member.start(&network).await);
        assert_eq!(nodes.last().unwrap().scope("app").unwrap().counter("n").get(), 3, "it was kept");
    }
    assert_eq!((nodes[0].life(), nodes[1].life()), (lives[0], lives[1]));
    assert_ne!(nodes[2].life(), lives[2]);
    for node in &nodes {
        add(node, 1).await;
    }
    agree(&nodes.iter().collect::<Vec<_>>(), 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_fails_refuses_writes_of_its_node_and_harms_no_other() {
    let network = MemoryNetwork::new();
    let members = ["a", "b", "c"].map(Member::new);
    let mut nodes = Vec::new();
    for member in &members {
        nodes.push(member.start(&network).await);
    }
    add(&nodes[0], 1).await;
    agree(&nodes.iter().collect::<Vec<_>>(), 1).await;
    members[0].shelf.fails.store(true, Ordering::Relaxed);
    let counter = nodes[0].scope("app").unwrap().counter("n");
    let error = counter.add(1).await.err().unwrap();
    assert!(matches!(&error, WriteError::Storage { cause } if cause.contains("the shelf broke")), "{error}");
    assert!(matches!(counter.add(1).await, Err(WriteError::Storage { .. })), "and so the next");
    add(&nodes[1], 10).await;
    // What failed was not acknowledged; it may have reached the others, as after a crash.
    let sum = |node: &Node| node.scope("app").unwrap().counter("n").get();
    eventually("others go on", || sum(&nodes[2]) >= 11 && sum(&nodes[1]) == sum(&nodes[2])).await;
    assert!(nodes[0].stop().await.is_err(), "that is no clean stop");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_store_is_refused_and_left_as_it_is() {
    let network = MemoryNetwork::new();
    let member = Member::new("a");
    let node = member.start(&network).await;
    add(&node, 1).await;
    node.stop().await.unwrap();
    drop(node);
    let before = {
        let mut content = member.shelf.content.lock().unwrap();
        let cell = content.rows.keys().find(|(table, _)| *table == Table::Cells).cloned().unwrap();
        content.rows.insert(cell, "senseless".into());
        content.rows.clone()
    };
    for accepts_loss in [false, true] {
        let builder = member.builder(&network).accept_loss(accepts_loss).join("b");
        let error = builder.start().await.err().unwrap();
        assert!(matches!(error, StartError::DamagedStore { .. }), "{error}");
    }
    let content = member.shelf.content.lock().unwrap();
    assert!(content.rows == before && content.mark.is_some(), "nothing was changed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_of_a_member_that_was_forgotten_is_refused_and_an_empty_one_is_filled_by_the_others() {
    let network = MemoryNetwork::new();
    let [a, b, mut c] = ["a", "b", "c"].map(Member::new);
    let (a, b) = (a.start(&network).await, b.start(&network).await);
    let node = c.start(&network).await;
    add(&node, 1).await;
    agree(&[&a, &b, &node], 1).await;
    let id = node.id();
    node.stop().await.unwrap();
    drop(node);
    eventually("it has left, and is forgotten", || a.forget(id)).await;
    eventually("by both", || b.members().len() == 2).await;
    let node = c.start(&network).await;
    timeout(Duration::from_secs(15), node.forgotten()).await.expect("it is told so");
    node.stop().await.unwrap();
    drop(node);
    let error = c.builder(&network).join("a").start().await.err().unwrap();
    assert!(matches!(error, StartError::ForgottenStore), "{error}");
    c.shelf = Shelf::default();
    let node = c.start(&network).await;
    agree(&[&a, &b, &node], 1).await;
    eventually("it is a member again", || b.members().len() == 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn backups_read_the_store_and_a_node_in_memory_has_none() {
    let network = MemoryNetwork::new();
    let member = Member::new("a");
    let node = member.start(&network).await;
    add(&node, 1).await;
    let backup = node.begin_backup().await.unwrap();
    assert_eq!(backup.facts().keys(), 1);
    assert!(backup.segment(0).unwrap().rows > 0);
    let forgetful = quick("b").start().await.unwrap();
    assert!(matches!(forgetful.begin_backup().await, Err(BackupError::NothingStored)));
}

#[tokio::test]
async fn a_store_and_a_directory_are_not_taken_together() {
    let dir = tempfile::tempdir().unwrap();
    let both = quick("a").store(Shelf::default()).data_dir(dir.path()).start().await.err().unwrap();
    assert!(matches!(both, StartError::Both { first: "store", second: "data_dir" }), "{both}");
}
