//! Where a node stands in the tree over which an author's writes travel.

use damson_core::crdt::NodeId;
use damson_core::node::Node as Core;

/// A node's place in the tree of one author, the *root*: whence the author's writes come to it, and where they go on. A
/// node knows its own links only; what all members say is the tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeView {
    /// Whose tree.
    pub root: NodeId,
    /// Whose place in it.
    pub node: NodeId,
    /// The neighbour that the root's writes come from. `None` at the root itself, and while no path to it is known.
    pub parent: Option<NodeId>,
    /// The neighbours to which the root's writes go on, in the order of their ids.
    pub children: Vec<NodeId>,
    /// Neighbours that are neither: they are told what there is, and ask for what they miss. In the order of their ids.
    pub lazy: Vec<NodeId>,
    /// How far the root is, in milliseconds one way along the tree; `None` while no path is known.
    pub distance_ms: Option<u16>,
    /// How far it is in links.
    pub hops: Option<u16>,
}

impl TreeView {
    pub(crate) fn of(node: &Core, root: NodeId) -> Self {
        let broadcast = node.broadcast();
        let parent = broadcast.parent(root);
        let mut children = broadcast.children(root);
        children.sort();
        let mut lazy = node.active_view();
        lazy.retain(|peer| Some(*peer) != parent && !children.contains(peer));
        let (distance_ms, hops) = broadcast.distance(root).unzip();
        Self { root, node: node.id(), parent, children, lazy, distance_ms, hops }
    }
}
