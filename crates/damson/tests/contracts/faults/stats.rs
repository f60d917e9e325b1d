//! Faults of CRDTStatsStore.

use std::time::Duration;

use damson::{Change, Slot};

use crate::stage::{agree, eventually, quick, three};

fn app(node: &damson::Node) -> damson::ScopeInfo {
    node.scopes().into_iter().find(|scope| scope.name.as_str() == "app").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_increments_leave_one_entry_for_each_actor() {
    let root = tempfile::tempdir().unwrap();
    let a = quick("a").data_dir(root.path()).start().await.unwrap();
    let b = quick("b").join(a.address()).start().await.unwrap();
    let c = quick("c").join(a.address()).start().await.unwrap();
    let nodes = [a, b, c];
    crate::stage::linked(&nodes).await;
    for _ in 0..3_334 {
        for node in &nodes {
            let counted = node.scope("app").unwrap();
            counted.counters("/STATS").unwrap().increment("/visits").await.unwrap();
        }
    }
    agree(&nodes).await;
    for node in &nodes {
        let app = app(node);
        assert_eq!((app.keys, app.live_dots, app.actors, app.removals), (1, 3, 3, 0));
        assert_eq!(node.scope("app").unwrap().counters("/STATS").unwrap().get("/visits"), 3 * 3_334);
    }
    let backup = nodes[0].begin_backup().await.unwrap();
    let segment = backup.segment(0).unwrap();
    assert!(segment.is_last && segment.rows <= 16, "{} rows on disk", segment.rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_increments_in_batches_are_few_frames_and_exact() {
    let nodes = three(|builder| builder).await;
    let scope = nodes[0].scope("app").unwrap();
    let sent = || nodes.iter().map(|node| node.counters().broadcast.payloads_sent).sum::<u64>();
    let before = sent();
    for _ in 0..2 {
        let count = scope.write(|tx| (0..50_000).try_for_each(|_| tx.add(&Slot::key("n"), 1).map(|_| ())));
        count.await.unwrap();
    }
    for node in &nodes {
        eventually("all are counted", || node.scope("app").unwrap().counter("n").get() == 100_000).await;
        assert_eq!(app(node).live_dots, 1);
        assert!(app(node).counters.applied <= 2, "as few as were written: {:?}", app(node).counters);
    }
    assert!(sent() - before <= 2 * 2 + 8, "{} frames", sent() - before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deleting_a_key_costs_its_actors_and_not_its_updates() {
    let nodes = three(|builder| builder).await;
    for n in 0..2_001 {
        nodes[n % 3].scope("app").unwrap().counter("n").add(1).await.unwrap();
    }
    agree(&nodes).await;
    let delete = |tx: &mut damson::Tx<'_>| {
        assert!(tx.remove(&Slot::key("n")));
        Ok(tx.len())
    };
    let operations = nodes[0].scope("app").unwrap().write(delete).await.unwrap();
    assert_eq!(operations, 3, "one for each actor");
    for node in &nodes {
        eventually("it is gone", || node.scope("app").unwrap().counter("n").get() == 0).await;
    }
    agree(&nodes).await;
    assert!(nodes.iter().all(|node| app(node).keys == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_never_sums_the_keys_below_it() {
    let nodes = three(|builder| builder).await;
    let group = |at: usize| nodes[at].scope("app").unwrap().counters("/STATS").unwrap();
    for (at, key) in ["/a", "/a/b", "/a/b/c"].into_iter().enumerate() {
        group(at).counter(key).add(10_i64.pow(at as u32)).await.unwrap();
        nodes[at].scope("app").unwrap().counter(key).add(5).await.unwrap();
    }
    agree(&nodes).await;
    for (at, node) in nodes.iter().enumerate() {
        assert_eq!(["/a", "/a/b", "/a/b/c"].map(|key| group(at).get(key)), [1, 10, 100]);
        let plain = ["/a", "/a/b", "/a/b/c"].map(|key| node.scope("app").unwrap().counter(key).get());
        assert_eq!(plain, [5, 5, 5]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_close_every_reader_ends() {
    let nodes = three(|builder| builder).await;
    let scope = nodes[0].scope("app").unwrap();
    let mut watch = scope.watch("");
    assert_eq!(watch.next().await, Some(Change::Snapshot(vec![])));
    let mut events = nodes[0].events();
    let issued = scope.issue(|tx| tx.add(&Slot::key("n"), 1)).await.unwrap();
    let write = issued.write.unwrap();
    let never = nodes[0].acknowledged(&[write], damson::Ack::N(9), None).unwrap();
    let watching = tokio::spawn(async move { while watch.next().await.is_some() {} });
    let listening = tokio::spawn(async move {
        let mut heard = 0_u64;
        while !matches!(events.recv().await, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
            heard += 1;
        }
        heard
    });
    nodes[0].stop().await.unwrap();
    let soon = async |reader| tokio::time::timeout(Duration::from_secs(5), reader).await.expect("it ends");
    soon(watching).await.unwrap();
    let heard = tokio::time::timeout(Duration::from_secs(5), listening).await.expect("it ends").unwrap();
    assert!(heard < 1_000, "it does not spin: {heard}");
    assert_eq!(tokio::time::timeout(Duration::from_secs(5), never).await.expect("it ends"), None);
    let late = nodes[0].events().recv().await;
    assert!(matches!(late, Err(tokio::sync::broadcast::error::RecvError::Closed)), "nor begins after it");
    assert!(scope.counter("n").add(1).await.is_err());
}
