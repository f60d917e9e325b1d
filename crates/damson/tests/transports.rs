//! The other two transports: in memory, with links that are cut, and "bring your own".

use std::time::Duration;

use damson::identity::Identity;
use damson::transport::{ByoHandle, ByoLink, ByoTransport, LinkLimits, MemoryNetwork};
use damson::{DialConfig, Node, NodeBuilder, SyncConfig};

async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..1_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within ten seconds: {what}");
}

fn quick(name: &str) -> NodeBuilder {
    Node::builder(name)
        .anti_entropy(SyncConfig { interval_ms: 200, ..SyncConfig::default() })
        .dialing(DialConfig { backoff_ms_max: 300, ..DialConfig::default() })
}

async fn in_memory(network: &MemoryNetwork, name: &str, joins: &[&str]) -> Node {
    let identity = Identity::generate();
    let transport = network.transport(name, identity.node_id());
    let builder = quick(name).identity(identity).transport(transport);
    joins.iter().fold(builder, |builder, join| builder.join(*join)).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_removed_on_one_side_of_a_cut_stays_removed_and_what_is_added_on_the_other_stays() {
    let network = MemoryNetwork::new();
    let a = in_memory(&network, "a", &[]).await;
    let b = in_memory(&network, "b", &["a"]).await;
    let set = |node: &Node| node.scope("app").unwrap().set("s");
    set(&a).insert("both-remove").await.unwrap();
    set(&a).insert("re-added").await.unwrap();
    eventually("b has them", || set(&b).len() == 2).await;
    network.partition(&[&["a"], &["b"]]);
    eventually("both are alone", || a.status().links == 0 && b.status().links == 0).await;
    set(&a).remove("both-remove").await.unwrap();
    set(&a).remove("re-added").await.unwrap();
    set(&b).remove("both-remove").await.unwrap();
    set(&b).insert("re-added").await.unwrap();
    a.scope("app").unwrap().counter("n").add(1).await.unwrap();
    b.scope("app").unwrap().counter("n").add(2).await.unwrap();
    network.heal();
    for node in [&a, &b] {
        eventually("they agree", || node.scope("app").unwrap().counter("n").get() == 3).await;
        eventually("adding wins", || set(node).elements() == ["re-added"]).await;
    }
    eventually("digests agree", || a.digest() == b.digest()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_that_moves_the_bytes_itself_gets_a_cluster() {
    let (a_id, b_id) = (Identity::generate(), Identity::generate());
    let (a_peer, b_peer) = (a_id.node_id(), b_id.node_id());
    let (a_transport, a_handle) = ByoTransport::new("a", LinkLimits::default()).unwrap();
    let (b_transport, b_handle) = ByoTransport::new("b", LinkLimits::default()).unwrap();
    let a = quick("a").identity(a_id).transport(a_transport).start().await.unwrap();
    let b = quick("b").identity(b_id).transport(b_transport).join("a").start().await.unwrap();
    tokio::spawn(connect(a_handle, b_handle, a_peer, b_peer));
    a.scope("app").unwrap().counter("n").add(4).await.unwrap();
    b.scope("app").unwrap().counter("n").add(5).await.unwrap();
    for node in [&a, &b] {
        eventually("both count", || node.scope("app").unwrap().counter("n").get() == 9).await;
    }
}

/// The application's network: it answers b's dials by handing both nodes the ends of a link.
async fn connect(a: ByoHandle, mut b: ByoHandle, a_peer: [u8; 16], b_peer: [u8; 16]) {
    while let Some(dial) = b.next_dial().await {
        let at_b = std::sync::Arc::new(dial.connected(a_peer));
        let at_a = std::sync::Arc::new(a.connected(b_peer, "b"));
        tokio::spawn(pump(at_a.clone(), at_b.clone()));
        tokio::spawn(pump(at_b, at_a));
    }
}

async fn pump(from: std::sync::Arc<ByoLink>, to: std::sync::Arc<ByoLink>) {
    while let Some(frame) = from.next_to_send().await {
        while to.receive(frame.clone()).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
