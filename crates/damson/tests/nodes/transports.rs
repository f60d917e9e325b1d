//! The other two transports: in memory, with links that are cut, and "bring your own".

use std::sync::Arc;
use std::time::Duration;

use damson::identity::Identity;
use damson::transport::{ByoHandle, ByoLink, ByoTransport, LinkLimits, MemoryNetwork};
use damson::{DialConfig, Node, NodeBuilder, SyncConfig};

use crate::stage::eventually;

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
    let start = async |name: &'static str, join: Option<&str>| {
        let identity = Identity::generate();
        let peer = identity.node_id();
        let (transport, handle) = ByoTransport::new(name, LinkLimits::default()).unwrap();
        let builder = quick(name).identity(identity).transport(transport);
        (join.into_iter().fold(builder, NodeBuilder::join).start().await.unwrap(), handle, peer)
    };
    let (a, a_handle, a_peer) = start("a", None).await;
    let (b, b_handle, b_peer) = start("b", Some("a")).await;
    let (c, c_handle, c_peer) = start("c", Some("a")).await;
    let a_handle = Arc::new(a_handle);
    tokio::spawn(connect((a_handle.clone(), a_peer), ("b", b_handle, b_peer)));
    tokio::spawn(connect((a_handle, a_peer), ("c", c_handle, c_peer)));
    for (node, n) in [(&a, 4), (&b, 5), (&c, 6)] {
        node.scope("app").unwrap().counter("n").add(n).await.unwrap();
    }
    for node in [&a, &b, &c] {
        eventually("all count", || node.scope("app").unwrap().counter("n").get() == 15).await;
    }
}

/// The application's network, which reaches nobody but a: it answers dials there by handing both nodes the ends of a link.
async fn connect(a: (Arc<ByoHandle>, [u8; 16]), from: (&str, ByoHandle, [u8; 16])) {
    let ((a, a_peer), (name, mut dials, peer)) = (a, from);
    while let Some(dial) = dials.next_dial().await {
        if dial.address() == "a" {
            let (here, there) = (Arc::new(dial.connected(a_peer)), Arc::new(a.connected(peer, name)));
            tokio::spawn(pump(there.clone(), here.clone()));
            tokio::spawn(pump(here, there));
        }
    }
}

async fn pump(from: Arc<ByoLink>, to: Arc<ByoLink>) {
    while let Some(frame) = from.next_to_send().await {
        while to.receive(frame.clone()).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
