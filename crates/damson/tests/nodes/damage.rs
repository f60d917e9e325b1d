//! What a start does that finds its own state damaged.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use damson::backup::verify_data_dir;
use damson::{Node, NodeBuilder, StartError, Sync};
use damson_core::persist::{Row, Table};
use damson_store::{DataDir, Durability, FjallStore, Store};

fn solo(dir: &Path) -> NodeBuilder {
    Node::builder("solo").sync(Sync::Always).data_dir(dir)
}

/// A node writes three keys, and stops.
async fn filled(builder: NodeBuilder) {
    let node = builder.start().await.unwrap();
    write(&node).await;
    node.stop().await.unwrap();
}

async fn write(node: &Node) {
    let scope = node.scope("app").unwrap();
    scope.register::<String>("kept").put(&"value".to_string()).await.unwrap();
    scope.register::<String>("lost").put(&"value".to_string()).await.unwrap();
    scope.counter("counted").add(5).await.unwrap();
}

fn value(node: &Node, key: &str) -> Option<String> {
    node.scope("app").unwrap().register::<String>(key.to_string()).get().unwrap()
}

/// The row of the cell of `lost` says something that makes no sense.
async fn damage(dir: &Path) {
    let data = eventually(|| DataDir::open(dir).ok()).await;
    let mut store = FjallStore::open(&data).unwrap();
    let mut rows = Vec::new();
    let mut note = |table, key: &[u8], _: &[u8]| {
        if table == Table::Cells && key.windows(4).any(|part| part == b"lost") {
            rows.push(Row { table, key: Bytes::copy_from_slice(key), value: Some("senseless".into()) });
        }
    };
    store.load(&mut note).unwrap();
    assert_eq!(rows.len(), 1);
    store.commit(&rows, Durability::Flushed).unwrap();
}

async fn eventually<T>(mut look: impl FnMut() -> Option<T>) -> T {
    for _ in 0..1_000 {
        if let Some(found) = look() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_node_that_is_alone_says_what_is_lost_and_starts_only_when_it_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    filled(solo(dir.path())).await;
    damage(dir.path()).await;
    for _ in 0..2 {
        let error = solo(dir.path()).start().await.err().expect("it is damaged");
        assert!(matches!(error, StartError::Damaged { .. }), "{error}");
        let text = error.to_string();
        assert!(
            text.contains("\"lost\"") && text.contains("--join") && text.contains("--accept-loss"),
            "{text}"
        );
    }
    assert!(!dir.path().join("damaged-1").exists(), "nothing was changed");
    let node = solo(dir.path()).accept_loss(true).start().await.unwrap();
    let check = |node: &Node| {
        assert_eq!((value(node, "kept"), value(node, "lost")), (Some("value".into()), None));
        assert_eq!(node.scope("app").unwrap().counter("counted").get(), 5);
    };
    check(&node);
    assert!(dir.path().join("damaged-1").exists(), "the evidence is kept");
    node.stop().await.unwrap();
    drop(node);
    // What was kept is on disk.
    let node = eventually_starts(dir.path()).await;
    check(&node);
    node.scope("app").unwrap().counter("counted").add(1).await.unwrap();
    assert_eq!(node.scope("app").unwrap().counter("counted").get(), 6);
}

async fn eventually_starts(dir: &Path) -> Node {
    for _ in 0..500 {
        match solo(dir).start().await {
            Ok(node) => return node,
            Err(StartError::Store(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the directory was not released");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_node_takes_everything_from_others_and_deletes_nothing_there() {
    let dir = tempfile::tempdir().unwrap();
    let other = Node::builder("other").start().await.unwrap();
    let joined = || solo(dir.path()).join(other.address());
    let node = joined().start().await.unwrap();
    write(&node).await;
    eventually(|| value(&other, "lost")).await;
    // It was written last: what no other has is gone with a damaged disk.
    eventually(|| (other.scope("app").unwrap().counter("counted").get() == 5).then_some(())).await;
    let life = node.life();
    node.stop().await.unwrap();
    drop(node);
    damage(dir.path()).await;
    let node = joined().accept_loss(true).start().await.unwrap();
    assert_ne!(node.life(), life);
    eventually(|| value(&node, "lost")).await;
    eventually(|| (node.status().digest == other.status().digest).then_some(())).await;
    assert_eq!(value(&other, "lost"), Some("value".into()));
    assert_eq!(other.scope("app").unwrap().counter("counted").get(), 5);
    assert!(dir.path().join("damaged-1").exists());
}

/// A crash leaves a torn end of the journal behind; a clean stop does not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_that_was_cut_after_a_clean_stop_is_damage() {
    let dir = tempfile::tempdir().unwrap();
    filled(solo(dir.path())).await;
    let journal = dir.path().join("database/rows/0.jnl");
    eventually(|| DataDir::open(dir.path()).ok()).await;
    let mut bytes = std::fs::read(&journal).unwrap();
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes.truncate(used - 10);
    std::fs::write(&journal, bytes).unwrap();
    for _ in 0..2 {
        let error = solo(dir.path()).start().await.err().expect("it is damaged").to_string();
        assert!(error.contains("no whole batch, although the last stop was clean"), "{error}");
    }
    let found = verify_data_dir(dir.path()).unwrap().damage.expect("it is still damaged");
    assert!(found.contains("although the last stop was clean"), "{found}");
    let node = solo(dir.path()).accept_loss(true).start().await.unwrap();
    assert_eq!(value(&node, "kept"), Some("value".into()));
    node.stop().await.unwrap();
    drop(node);
    let node = eventually_starts(dir.path()).await;
    assert_eq!(value(&node, "kept"), Some("value".into()), "it is told once only");
}
