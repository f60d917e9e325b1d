//! Nodes that know of each other, over real sockets, and a wait that ends.

use std::time::{Duration, Instant};

use damson::{Node, NodeBuilder, Readiness};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// So many members, ready and known to each other.
pub async fn start(members: usize) -> Vec<Node> {
    let mut nodes: Vec<Node> = Vec::new();
    for at in 0..members {
        nodes.push(join(&nodes, &format!("n{at}"), |builder| builder).await);
    }
    until("all know all", || nodes.iter().all(|node| present(node) == members)).await;
    nodes
}

/// One member more.
pub async fn join(nodes: &[Node], name: &str, set: impl FnOnce(NodeBuilder) -> NodeBuilder) -> Node {
    let mut builder = Node::builder(name).listen("127.0.0.1:0");
    for node in nodes {
        builder = builder.join(node.address());
    }
    let node = set(builder).start().await.unwrap();
    until("it is ready", || node.readiness() == Readiness::Ready).await;
    node
}

/// Members that take part, as a node sees them.
pub fn present(node: &Node) -> usize {
    node.members().iter().filter(|member| member.state.is_present()).count()
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "not in {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
