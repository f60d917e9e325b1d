//! Waiting for others, over real loopback TCP.

use std::time::Duration;

use damson::{Ack, Node, NodeBuilder, ReadError, Slot, Sync, Token, Waited, WriteError};

use crate::stage::eventually;

const SHORT: Duration = Duration::from_millis(200);
const LONG: Duration = Duration::from_secs(10);

async fn cluster(builders: Vec<NodeBuilder>) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for builder in builders {
        let builder = match nodes.first() {
            Some(first) => builder.join(first.address()),
            None => builder,
        };
        nodes.push(builder.start().await.unwrap());
    }
    let count = nodes.len();
    eventually("all are linked", || {
        nodes.iter().all(|n| n.status().members == count && n.status().links == count - 1)
    })
    .await;
    nodes
}

fn names(names: &[&str]) -> Vec<NodeBuilder> {
    names.iter().map(|name| Node::builder(*name)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_wait_for_members_and_time_out_with_how_many_had_it() {
    let nodes = cluster(names(&["a", "b", "c"])).await;
    let app = nodes[0].scope("app").unwrap();
    let put = |value: &'static str| {
        move |tx: &mut damson::Tx<'_>| tx.put_register(&Slot::key("k"), value.into(), None)
    };
    for (ack, least) in [(Ack::Local, 1), (Ack::N(2), 2), (Ack::Majority, 2), (Ack::N(3), 3), (Ack::All, 3)] {
        let written = app.write_acked(ack, LONG, put("v")).await.unwrap();
        assert!(written.had >= least && written.token.is_some(), "{ack:?}: {}", written.had);
    }
    let four = app.write_acked(Ack::N(4), SHORT, put("w")).await;
    assert_eq!(four.unwrap_err(), WriteError::Unacknowledged { had: 3, wanted: 4 });
    assert_eq!(app.register::<String>("k").get().unwrap().as_deref(), Some("w"), "the write stays");
    // Typed handles wait as well.
    let all = app.acknowledged_by(Ack::All, LONG);
    all.counter("n").add(5).await.unwrap();
    for node in &nodes {
        assert_eq!(node.scope("app").unwrap().counter("n").get(), 5, "it is there already");
    }
    nodes[2].abandon();
    let none = app.acknowledged_by(Ack::N(3), SHORT).counter("n").add(1).await;
    assert_eq!(none.unwrap_err(), WriteError::Unacknowledged { had: 2, wanted: 3 });
    app.acknowledged_by(Ack::Majority, LONG).counter("n").add(1).await.unwrap();
    nodes[1].abandon();
    let none = app.acknowledged_by(Ack::Majority, SHORT).counter("n").add(1).await;
    assert_eq!(none.unwrap_err(), WriteError::Unacknowledged { had: 1, wanted: 2 });
    assert_eq!(app.counter("n").get(), 8);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_brings_a_read_on_another_node_up_to_the_write() {
    let nodes = cluster(names(&["a", "b"])).await;
    let [here, there] = [0, 1].map(|at| nodes[at].scope("app").unwrap());
    for n in 0..200_u32 {
        let write = |tx: &mut damson::Tx<'_>| tx.add(&Slot::key("n"), 1);
        let token = here.write_acked(Ack::Local, LONG, write).await.unwrap().token.unwrap();
        let token: Token = token.to_string().parse().unwrap();
        let read = there.read_after(&token, LONG, |view| view.counter(&Slot::key("n"))).await;
        assert_eq!(read, Ok(Some(i64::from(n) + 1)));
    }
    let other = nodes[1].scope("other").unwrap();
    let token = here.token(&here.last_write().unwrap()).unwrap();
    assert!(matches!(other.catch_up_to(&token, LONG).await, Err(ReadError::OtherScope { .. })));
    nodes[1].abandon();
    assert_eq!(there.catch_up_to(&token, SHORT).await, Err(ReadError::Stopped));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_from_the_future_times_out_and_changes_nothing() {
    let nodes = cluster(names(&["a", "b"])).await;
    let [here, there] = [0, 1].map(|at| nodes[at].scope("app").unwrap());
    here.acknowledged_by(Ack::All, LONG).counter("n").add(1).await.unwrap();
    nodes[1].abandon();
    here.counter("n").add(1).await.unwrap();
    let token = here.token(&here.last_write().unwrap()).unwrap();
    let other = cluster(names(&["c"])).await.remove(0);
    let elsewhere = other.scope("app").unwrap();
    let digest = other.digest();
    assert_eq!(elsewhere.catch_up_to(&token, SHORT).await, Err(ReadError::NotYet));
    assert_eq!(other.digest(), digest);
    drop(there);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_majority_read_sees_what_a_majority_has_acknowledged_and_fails_without_one() {
    let nodes = cluster(names(&["a", "b", "c"])).await;
    let scopes: Vec<_> = nodes.iter().map(|node| node.scope("app").unwrap()).collect();
    for n in 0..100 {
        let (writer, reader) = (&scopes[n % 3], &scopes[(n + 1 + n / 7) % 3]);
        writer.acknowledged_by(Ack::Majority, LONG).counter("n").add(1).await.unwrap();
        let read = reader.read_majority(LONG, |view| view.counter(&Slot::key("n"))).await;
        assert_eq!(read, Ok(Some(n as i64 + 1)));
    }
    nodes[0].abandon();
    scopes[1].catch_up_with_majority(LONG).await.unwrap();
    nodes[2].abandon();
    let alone = scopes[1].catch_up_with_majority(SHORT).await;
    assert_eq!(alone, Err(ReadError::NoMajority { had: 1, wanted: 2 }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_in_several_scopes_are_waited_for_together_and_the_wait_ends_with_its_future() {
    let dir = tempfile::tempdir().unwrap();
    let on_disk = |name: &str| Node::builder(name).data_dir(dir.path().join(name)).sync(Sync::Always);
    let nodes = cluster(vec![on_disk("a"), on_disk("b")]).await;
    let put = |tx: &mut damson::Tx<'_>| tx.add(&Slot::key("n"), 1);
    let mut writes = Vec::new();
    for scope in ["x", "y", "z"] {
        writes.extend(nodes[0].scope(scope).unwrap().issue(put).await.unwrap().write);
    }
    let end = nodes[0].acknowledged(&writes, Ack::N(2), Some(LONG)).unwrap().await;
    assert_eq!(end, Some(Waited::Reached { had: 2 }));
    for scope in ["x", "y", "z"] {
        assert_eq!(nodes[1].scope(scope).unwrap().counter("n").get(), 1);
    }
    let never = nodes[0].acknowledged(&writes, Ack::N(3), None).unwrap();
    eventually("both are counted", || never.had() == 2).await;
    drop(never);
    let stopped = nodes[0].acknowledged(&writes, Ack::N(3), None).unwrap();
    nodes[0].abandon();
    assert_eq!(stopped.await, None);
}
