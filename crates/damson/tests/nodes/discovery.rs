//! Contacts that are discovered while nodes run, and the trees of those who found each other.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use damson::identity::Identity;
use damson::transport::MemoryNetwork;
use damson::{DialConfig, DiscoveryConfig, Node, StartError, SyncConfig};

use crate::stage::eventually;

/// A node that joins through what it finds in a file.
async fn start(network: &MemoryNetwork, name: &str, file: &Path) -> Node {
    let identity = Identity::generate();
    let transport = network.transport(name, identity.node_id());
    let discovery =
        DiscoveryConfig { file_interval: Duration::from_millis(20), ..DiscoveryConfig::default() };
    Node::builder(name)
        .identity(identity)
        .transport(transport)
        .anti_entropy(SyncConfig { interval_ms: 200, ..SyncConfig::default() })
        .dialing(DialConfig { backoff_ms_max: 300, ..DialConfig::default() })
        .join_file(file)
        .discovery(discovery)
        .start()
        .await
        .unwrap()
}

/// Seven nodes, too many to be all linked to all, that find each other through a file.
async fn seven(network: &MemoryNetwork, letter: char, file: &Path) -> Vec<Node> {
    let names: Vec<String> = (0..7).map(|n| format!("{letter}{n}")).collect();
    let mut nodes = Vec::new();
    for name in &names {
        nodes.push(start(network, name, file).await);
    }
    std::fs::write(file, names.join("\n")).unwrap();
    eventually("seven are together", || nodes.iter().all(|node| node.status().members == 7)).await;
    nodes
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clusters_that_never_heard_of_each_other_become_one_when_a_file_of_one_names_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let network = MemoryNetwork::new();
    let (file_a, file_b) = (dir.path().join("a"), dir.path().join("b"));
    let mut nodes = seven(&network, 'a', &file_a).await;
    nodes.extend(seven(&network, 'b', &file_b).await);
    assert!(nodes.iter().all(|node| node.status().members == 7));
    // Nobody lacks a neighbour, and in a cluster of this size contacts are not needed any more.
    std::fs::write(&file_a, "b0\nb1\nb2").unwrap();
    eventually("fourteen are together", || nodes.iter().all(|node| node.status().members == 14)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_neighbour_is_parent_child_or_neither_in_every_tree() {
    let dir = tempfile::tempdir().unwrap();
    let nodes = seven(&MemoryNetwork::new(), 'a', &dir.path().join("a")).await;
    let root = nodes[0].id();
    let has_tree = |node: &Node| node.id() == root || node.tree(root).parent.is_some();
    eventually("all are in the tree", || nodes.iter().all(has_tree)).await;
    for node in &nodes {
        // Links may change between the two looks.
        eventually("parts and neighbours agree", || {
            let (view, neighbors) = (node.tree(root), node.neighbors());
            let parts = view.children.iter().chain(&view.lazy).chain(view.parent.iter());
            let is_own = (view.root, view.node) == (root, node.id());
            is_own && parts.copied().collect::<BTreeSet<_>>() == neighbors.into_iter().collect()
        })
        .await;
    }
    let view = nodes[0].tree(root);
    assert_eq!((view.parent, view.hops, view.distance_ms), (None, Some(0), Some(0)));
}

#[tokio::test]
async fn a_name_without_a_port_is_refused_with_what_to_write() {
    let error = Node::builder("a").join_dns("example.org").start().await.err().unwrap();
    assert!(matches!(&error, StartError::ContactName { name, .. } if name == "example.org"), "{error}");
    assert!(error.to_string().contains("damson.example.org:7400"), "{error}");
}
