//! The views of all living nodes at one instant, as graphs.

use super::graph::Graph;
use super::observe;
use super::world::World;

/// The overlay at one instant. Graphs number the living nodes from 0.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    /// The living nodes.
    pub living: Vec<u32>,
    /// Links that both ends list in their active views.
    pub overlay: Graph,
    /// Pairs of which one lists the other in its active view, and the other does not.
    pub asymmetric: usize,
    /// The mean size of the passive views.
    pub passive_mean: f64,
}

/// The number of a node in a list of nodes in ascending order.
pub(crate) fn place(living: &[u32], at: u32) -> Option<u32> {
    living.binary_search(&at).ok().map(|place| u32::try_from(place).expect("nodes have 32 bits"))
}

impl Snapshot {
    pub fn of(world: &World) -> Self {
        let living: Vec<u32> = world.living().collect();
        let mut arcs = arcs(world, &living, observe::active_view);
        arcs.sort_unstable();
        let is_mutual = |(a, b): &(u32, u32)| arcs.binary_search(&(*b, *a)).is_ok();
        let mutual: Vec<(u32, u32)> = arcs.iter().copied().filter(is_mutual).collect();
        let known = |at: &u32| world.node(*at).map_or(0, |node| observe::passive_view(node).len());
        let passive: usize = living.iter().map(known).sum();
        Self {
            overlay: Graph::new(living.len(), &mutual),
            asymmetric: arcs.len() - mutual.len(),
            passive_mean: passive as f64 / living.len().max(1) as f64,
            living,
        }
    }

    /// The graph's number of a node.
    pub fn place(&self, at: u32) -> Option<u32> {
        place(&self.living, at)
    }
}

/// Who of the living knows whom of them, from either view.
pub(crate) fn knowledge(world: &World, living: &[u32]) -> Graph {
    let both = |node: &_| [observe::active_view(node), observe::passive_view(node)].concat();
    Graph::new(living.len(), &arcs(world, living, both))
}

/// For each living node the living nodes that it lists.
fn arcs(
    world: &World,
    living: &[u32],
    view: impl Fn(&damson_core::node::Node) -> Vec<u32>,
) -> Vec<(u32, u32)> {
    let listed = |(place, at): (u32, &u32)| {
        let others = world.node(*at).map(&view).unwrap_or_default();
        let places = others.into_iter().filter_map(|other| self::place(living, other));
        places.map(move |other| (place, other)).collect::<Vec<_>>()
    };
    (0..).zip(living).flat_map(listed).collect()
}
