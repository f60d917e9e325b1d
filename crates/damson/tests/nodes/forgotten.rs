//! A member that was forgotten comes back empty.

use std::path::Path;
use std::time::Duration;

use damson::{Node, NodeBuilder, Readiness, StartError, Sync};

use crate::stage::eventually;

fn member(name: &str, dir: &Path) -> NodeBuilder {
    Node::builder(name).sync(Sync::Always).data_dir(dir)
}

async fn put(node: &Node, key: &str) {
    node.scope("app").unwrap().register::<String>(key.to_string()).put(&"value".to_string()).await.unwrap();
}

fn has(node: &Node, key: &str) -> bool {
    node.scope("app").unwrap().register::<String>(key.to_string()).get().unwrap().is_some()
}

/// A directory is released a moment after its node has stopped.
async fn start(builder: impl Fn() -> NodeBuilder) -> Node {
    for _ in 0..500 {
        match builder().start().await {
            Ok(node) => return node,
            Err(StartError::Store(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the directory was not released");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_was_forgotten_is_refused_until_it_begins_empty_and_brings_nothing_back() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let stays = member("stays", here.path()).start().await.unwrap();
    let contact = stays.address();
    let goes = || member("goes", there.path()).join(contact.clone());
    let node = start(goes).await;
    put(&node, "shared").await;
    eventually("both have it", || has(&stays, "shared")).await;
    let id = node.id();
    node.stop().await.unwrap();
    drop(node);

    // It writes once more, where nobody sees it.
    let alone = start(|| member("goes", there.path()).join("127.0.0.1:1")).await;
    put(&alone, "unseen").await;
    alone.stop().await.unwrap();
    drop(alone);
    eventually("it has left", || stays.forget(id)).await;
    eventually("it is no member", || stays.members().len() == 1).await;

    let node = start(goes).await;
    tokio::time::timeout(Duration::from_secs(15), node.forgotten()).await.expect("it is told so");
    assert_eq!(node.readiness(), Readiness::Forgotten);
    assert!(!has(&stays, "unseen"), "nothing of it comes in");
    node.stop().await.unwrap();
    drop(node);
    let node = start(goes).await;
    assert_eq!(node.id(), id, "the key is kept");
    assert!(there.path().join("forgotten-1").exists(), "so is the database, aside");
    eventually("it is a member again", || stays.members().len() == 2).await;
    eventually("it has what the others have", || has(&node, "shared")).await;
    assert!(!has(&node, "unseen") && !has(&stays, "unseen"));
    assert_eq!(node.readiness(), Readiness::Ready);

    // The next start is an ordinary one.
    node.stop().await.unwrap();
    drop(node);
    let node = start(goes).await;
    eventually("it is ready", || node.readiness() == Readiness::Ready).await;
    assert!(!there.path().join("forgotten-2").exists());
}
