//! Three nodes, over loopback TCP or over a network in memory that can be cut.

use std::time::Duration;

use damson::identity::Identity;
use damson::transport::MemoryNetwork;
use damson::{DialConfig, Node, NodeBuilder, NodeId, SyncConfig};

/// Fails when something does not become true in ten seconds.
pub async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..2_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("not within ten seconds: {what}");
}

/// A node that compares often and dials soon.
pub fn quick(name: &str) -> NodeBuilder {
    Node::builder(name)
        .anti_entropy(SyncConfig { interval_ms: 100, ..SyncConfig::default() })
        .dialing(DialConfig { backoff_ms_max: 200, ..DialConfig::default() })
}

/// Three nodes over loopback TCP, all linked to all.
pub async fn three(set_up: impl Fn(NodeBuilder) -> NodeBuilder) -> [Node; 3] {
    let a = set_up(quick("a")).start().await.unwrap();
    let b = set_up(quick("b")).join(a.address()).start().await.unwrap();
    let c = set_up(quick("c")).join(a.address()).start().await.unwrap();
    let nodes = [a, b, c];
    linked(&nodes).await;
    nodes
}

/// Three nodes in a network that can be cut.
pub async fn three_in(network: &MemoryNetwork, set_up: impl Fn(NodeBuilder) -> NodeBuilder) -> [Node; 3] {
    let nodes = all_in(network, &["a", "b", "c"], set_up).await;
    nodes.try_into().ok().expect("there are three")
}

/// So many nodes, all linked to all.
pub async fn all_in(
    network: &MemoryNetwork,
    names: &[&str],
    set_up: impl Fn(NodeBuilder) -> NodeBuilder,
) -> Vec<Node> {
    let mut nodes = Vec::new();
    for name in names {
        let join = (!nodes.is_empty()).then_some(names[0]);
        nodes.push(one_in(network, name, Identity::generate(), &set_up, join).await);
    }
    linked(&nodes).await;
    nodes
}

/// One node there.
pub async fn one_in(
    network: &MemoryNetwork,
    name: &str,
    identity: Identity,
    set_up: impl Fn(NodeBuilder) -> NodeBuilder,
    join: Option<&str>,
) -> Node {
    let transport = network.transport(name, identity.node_id());
    let builder = set_up(quick(name)).identity(identity).transport(transport);
    join.into_iter().fold(builder, NodeBuilder::join).start().await.unwrap()
}

/// Waits until all are linked to all, and may serve.
pub async fn linked(nodes: &[Node]) {
    let count = nodes.len();
    eventually("all are linked", || {
        nodes.iter().all(|node| node.status().members == count && node.status().links == count - 1)
    })
    .await;
    for node in nodes {
        node.ready().await;
    }
    // Every author's tree has all others in it: from here on writes are pushed.
    let in_tree = |root: NodeId| nodes.iter().map(|node| node.tree(root).children.len()).sum::<usize>();
    eventually("all trees are known", || nodes.iter().all(|node| in_tree(node.id()) == count - 1)).await;
}

/// Waits until all nodes have the same.
pub async fn agree(nodes: &[Node]) {
    eventually("all agree", || nodes.iter().all(|node| node.digest() == nodes[0].digest())).await;
}
