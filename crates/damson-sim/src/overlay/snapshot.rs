//! The views of all living nodes at one instant, as graphs.

use damson_core::node::Node;

use super::World;
use super::graph::Graph;
use super::observe;

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

impl Snapshot {
    pub fn of(world: &World) -> Self {
        let living: Vec<u32> = world.living().collect();
        let (overlay, asymmetric) = Graph::mutual(&lists(world, &living, observe::active_view));
        let known = |at: &u32| world.node(*at).map_or(0, |node| observe::passive_view(node).len());
        let passive: usize = living.iter().map(known).sum();
        Self { overlay, asymmetric, passive_mean: passive as f64 / living.len().max(1) as f64, living }
    }

    /// The overlay alone.
    pub fn overlay_of(world: &World) -> (Vec<u32>, Graph) {
        let living: Vec<u32> = world.living().collect();
        let (overlay, _) = Graph::mutual(&lists(world, &living, observe::active_view));
        (living, overlay)
    }
}

/// Who of the living knows whom of them, from either view.
pub(crate) fn knowledge(world: &World, living: &[u32]) -> Graph {
    let both = |node: &Node| [observe::active_view(node), observe::passive_view(node)].concat();
    let lists = lists(world, living, both);
    let edges: Vec<(u32, u32)> =
        (0..).zip(&lists).flat_map(|(place, list)| list.iter().map(move |other| (place, *other))).collect();
    Graph::new(living.len(), &edges)
}

/// For each living node the living nodes that it lists, by their places in the list of the living.
fn lists(world: &World, living: &[u32], view: impl Fn(&Node) -> Vec<u32>) -> Vec<Vec<u32>> {
    let mut places = vec![None; world.hosts.len()];
    (0..).zip(living).for_each(|(place, at): (u32, _)| places[*at as usize] = Some(place));
    let listed = |at: &u32| {
        let others = world.node(*at).map(&view).unwrap_or_default();
        others.into_iter().filter_map(|other| places[other as usize]).collect()
    };
    living.iter().map(listed).collect()
}
