//! Three nodes over real loopback TCP, driven through the public surface.

use std::time::Duration;

use damson::{Change, Json, Node, NodeBuilder, Readiness, Slot, SyncConfig, WriteError};

use crate::stage::eventually;

fn quick(name: &str) -> NodeBuilder {
    Node::builder(name).anti_entropy(SyncConfig { interval_ms: 200, ..SyncConfig::default() })
}

async fn three() -> [Node; 3] {
    let a = quick("a").start().await.unwrap();
    let b = quick("b").join(a.address()).start().await.unwrap();
    let c = quick("c").join(a.address()).start().await.unwrap();
    let nodes = [a, b, c];
    eventually("all see three members and are linked", || {
        nodes.iter().all(|n| n.status().members == 3 && n.status().links == 2)
    })
    .await;
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_on_each_is_seen_on_all_and_digests_agree() {
    let nodes = three().await;
    for (at, node) in nodes.iter().enumerate() {
        let scope = node.scope("app").unwrap();
        scope.register::<Json<usize>>(format!("r{at}")).put(&Json(at)).await.unwrap();
        scope.counter("n").add(10 + at as i64).await.unwrap();
        scope.set("s").insert(format!("e{at}")).await.unwrap();
        scope.map::<String>("m").put(format!("f{at}"), &format!("v{at}")).await.unwrap();
    }
    for node in &nodes {
        let scope = node.scope("app").unwrap();
        eventually("everything is everywhere", || {
            (0..3).all(|at| scope.register::<Json<usize>>(format!("r{at}")).get().unwrap() == Some(Json(at)))
                && scope.counter("n").get() == 33
                && scope.set("s").len() == 3
                && scope.map::<String>("m").len() == 3
        })
        .await;
    }
    eventually("digests agree", || nodes.iter().all(|n| n.digest() == nodes[0].digest())).await;
    assert!(nodes.iter().all(|n| n.readiness() == Readiness::Ready));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn own_writes_are_read_at_once_and_wrong_types_are_refused() {
    let node = quick("solo").start().await.unwrap();
    let scope = node.scope("app").unwrap();
    scope.counter("n").add(5).await.unwrap();
    assert_eq!(scope.counter("n").get(), 5);
    let wrong = scope.set("n").insert("x").await;
    assert!(matches!(wrong, Err(WriteError::WrongType { .. })), "{wrong:?}");
    assert_eq!(scope.counter("n").get(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_stop_keeps_data_and_life_and_a_crash_keeps_data() {
    let dir = tempfile::tempdir().unwrap();
    let start = || quick("solo").data_dir(dir.path()).start();
    let node = start().await.unwrap();
    let (id, life) = (node.id(), node.life());
    node.scope("app").unwrap().counter("n").add(7).await.unwrap();
    node.stop().await.unwrap();
    drop(node);
    let node = restart(start).await;
    assert_eq!((node.id(), node.life(), node.continued()), (id, life, true));
    let counter = node.scope("app").unwrap().counter("n");
    assert_eq!(counter.add(1).await.unwrap(), 8);
    assert_eq!(counter.shares().len(), 1);
    node.abandon();
    drop((node, counter));
    let node = restart(start).await;
    assert_ne!(node.life(), life);
    let counter = node.scope("app").unwrap().counter("n");
    assert_eq!(counter.add(1).await.unwrap(), 9);
    assert_eq!(counter.shares().len(), 2);
    // It was alone so far: what is there came from its disk. Others that join get it.
    let b = quick("b").join(node.address()).start().await.unwrap();
    let c = quick("c").join(node.address()).start().await.unwrap();
    for other in [&b, &c] {
        eventually("they have it", || other.digest() == node.digest()).await;
        assert_eq!(other.scope("app").unwrap().counter("n").shares(), counter.shares());
    }
}

/// The disk's thread of the node before may still hold the directory for a moment.
async fn restart<F: Future<Output = Result<Node, damson::StartError>>>(start: impl Fn() -> F) -> Node {
    for _ in 0..500 {
        match start().await {
            Ok(node) => return node,
            Err(damson::StartError::Store(_)) => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => panic!("{error}"),
        }
    }
    panic!("the directory was not released");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_begins_with_a_snapshot_and_goes_on_with_changes() {
    let [a, b, _c] = three().await;
    a.scope("app").unwrap().counter("x:1").add(1).await.unwrap();
    let scope = b.scope("app").unwrap();
    eventually("it arrives", || scope.counter("x:1").get() == 1).await;
    let mut watch = scope.watch("x:");
    let Some(Change::Snapshot(keys)) = watch.next().await else { panic!("the first is a snapshot") };
    assert_eq!(keys.len(), 1);
    a.scope("app").unwrap().counter("y:1").add(1).await.unwrap();
    a.scope("app").unwrap().counter("x:2").add(1).await.unwrap();
    let change = tokio::time::timeout(Duration::from_secs(5), watch.next()).await.unwrap();
    assert!(matches!(&change, Some(Change::Changed { key, kind: Some(_) }) if key == "x:2"), "{change:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scope_of_the_system_is_nobody_elses() {
    let node = quick("a").start().await.unwrap();
    let error = node.scope("~roster").err().expect("members are written there");
    assert!(error.to_string().contains("~ begins those of the system"), "{error}");
    assert!(node.scope("a~roster").is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_ends_when_its_node_stops() {
    let node = quick("a").start().await.unwrap();
    let mut watch = node.scope("app").unwrap().watch("x:");
    assert_eq!(watch.next().await, Some(Change::Snapshot(vec![])));
    let waiting = tokio::spawn(async move { watch.next().await });
    tokio::time::sleep(Duration::from_millis(50)).await;
    node.stop().await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(5), waiting).await.expect("nobody waits for ever");
    assert_eq!(told.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_that_panics_keeps_nothing_back_and_harms_nobody_else() {
    let [a, b, _c] = three().await;
    let scope = a.scope("app").unwrap();
    let harmful = scope.clone();
    let panicked = tokio::spawn(async move {
        let write = harmful.write(|tx| -> Result<(), WriteError> {
            tx.add(&Slot::key("n"), 1)?;
            panic!("the user's mistake");
        });
        write.await
    });
    assert!(panicked.await.expect_err("it goes on in the caller").is_panic());
    assert_eq!(scope.counter("n").get(), 1, "what it wrote before stays");
    scope.counter("n").add(10).await.unwrap();
    let there = b.scope("app").unwrap();
    eventually("both are sent", || there.counter("n").get() == 11).await;
    eventually("all agree", || a.status().digest == b.status().digest).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_of_another_realm_or_with_another_secret_stay_out() {
    let a = quick("a").cluster_secret([1; 32]).start().await.unwrap();
    let stranger = quick("b").cluster_secret([2; 32]).join(a.address()).start().await.unwrap();
    let foreign = quick("c").cluster_secret([1; 32]).realm("other").join(a.address()).start().await.unwrap();
    let friend = quick("d").cluster_secret([1; 32]).join(a.address()).start().await.unwrap();
    eventually("the friend is in", || friend.status().members == 2).await;
    eventually("refusals are counted", || a.counters().links_refused > 0 && a.counters().node.refused > 0)
        .await;
    assert_eq!((stranger.status().members, foreign.status().members), (1, 1));
    assert_eq!(a.status().members, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_leaves_or_dies_is_known_to_all() {
    let [a, b, c] = three().await;
    b.stop().await.unwrap();
    eventually("b has left", || state_of(&a, "b") == "left" && state_of(&c, "b") == "left").await;
    c.abandon();
    eventually("c is dead", || state_of(&a, "c") == "dead").await;
}

fn state_of(node: &Node, name: &str) -> &'static str {
    node.members().iter().find(|member| member.name == name).map_or("unknown", |member| member.state.name())
}
