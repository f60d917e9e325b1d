//! Undirected graphs, and what the papers measure of them.
//!
//! Distances from many nodes at once: 64 breadth-first searches share one pass over the edges, a bit each (Then et al.,
//! "The More the Merrier", VLDB 2014).

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// An undirected graph of nodes 0..n without loops and multiple edges, as lists of neighbours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Graph {
    /// Where each node's neighbours begin in `targets`, and one more for the end.
    offsets: Vec<u32>,
    targets: Vec<u32>,
}

/// Distances from some nodes to all others.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Distances {
    /// Ordered pairs (root, other) by their distance; those without a path are in none.
    pub histogram: Vec<u64>,
    /// For each root the distance of the farthest node that it reaches.
    pub eccentricities: Vec<u32>,
}

/// Which node belongs to which component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Components {
    /// For each node its component.
    pub of: Vec<u32>,
    /// For each component its size.
    pub sizes: Vec<u32>,
}

impl Graph {
    /// The graph of these edges. Each may be named in both directions, and more than once.
    pub fn new(nodes: usize, edges: &[(u32, u32)]) -> Self {
        let both = edges.iter().flat_map(|&(a, b)| [(a, b), (b, a)]);
        let mut arcs: Vec<(u32, u32)> = both.filter(|(a, b)| a != b).collect();
        arcs.sort_unstable();
        arcs.dedup();
        let mut offsets = vec![0; nodes + 1];
        arcs.iter().for_each(|(a, _)| offsets[*a as usize + 1] += 1);
        for at in 0..nodes {
            offsets[at + 1] += offsets[at];
        }
        Self { offsets, targets: arcs.into_iter().map(|(_, b)| b).collect() }
    }

    /// The graph of the edges that both ends list, and how often an end lists one that the other does not. No list
    /// names a node twice, or its own.
    pub fn mutual(lists: &[Vec<u32>]) -> (Self, usize) {
        let (mut offsets, mut targets, mut dropped) = (vec![0], Vec::new(), 0);
        for (node, list) in (0..).zip(lists) {
            let begin = targets.len();
            targets.extend(list.iter().filter(|other| lists[**other as usize].contains(&node)));
            targets[begin..].sort_unstable();
            dropped += list.len() - (targets.len() - begin);
            offsets.push(u32::try_from(targets.len()).expect("fewer than 2^32 arcs"));
        }
        (Self { offsets, targets }, dropped)
    }

    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    pub fn neighbors(&self, node: u32) -> &[u32] {
        let at = node as usize;
        &self.targets[self.offsets[at] as usize..self.offsets[at + 1] as usize]
    }

    /// A node's neighbours, and the places of the arcs to them in the list of all.
    pub fn arcs(&self, node: u32) -> impl Iterator<Item = (usize, u32)> {
        let begin = self.offsets[node as usize] as usize;
        (begin..).zip(self.neighbors(node).iter().copied())
    }

    /// For each arc the place of the one in the other direction.
    pub fn twins(&self) -> Vec<u32> {
        let back = |a: u32, b: u32| {
            let place = self.neighbors(b).binary_search(&a).expect("edges have two arcs");
            self.offsets[b as usize] + u32::try_from(place).expect("fewer than 2^32 arcs")
        };
        self.nodes().flat_map(|a| self.neighbors(a).iter().map(move |b| back(a, *b))).collect()
    }

    pub fn degree(&self, node: u32) -> usize {
        self.neighbors(node).len()
    }

    /// All nodes.
    pub fn nodes(&self) -> impl Iterator<Item = u32> + use<> {
        0..u32::try_from(self.len()).expect("nodes are numbered with 32 bits")
    }

    /// Each edge once, the smaller node first.
    pub fn edges(&self) -> impl Iterator<Item = (u32, u32)> {
        self.nodes().flat_map(|a| self.neighbors(a).iter().map(move |b| (a, *b))).filter(|(a, b)| a < b)
    }

    pub fn has_edge(&self, a: u32, b: u32) -> bool {
        self.neighbors(a).binary_search(&b).is_ok()
    }

    pub fn components(&self) -> Components {
        let mut of = vec![u32::MAX; self.len()];
        let mut sizes = Vec::new();
        let mut stack = Vec::new();
        for root in self.nodes() {
            if of[root as usize] != u32::MAX {
                continue;
            }
            let number = u32::try_from(sizes.len()).expect("at most one for each node");
            of[root as usize] = number;
            stack.push(root);
            let mut size = 0;
            while let Some(node) = stack.pop() {
                size += 1;
                for next in self.neighbors(node) {
                    if of[*next as usize] == u32::MAX {
                        of[*next as usize] = number;
                        stack.push(*next);
                    }
                }
            }
            sizes.push(size);
        }
        Components { of, sizes }
    }

    /// Distances in hops from these nodes to all others.
    pub fn distances(&self, roots: &[u32]) -> Distances {
        let mut out = Distances { histogram: Vec::new(), eccentricities: Vec::with_capacity(roots.len()) };
        for chunk in roots.chunks(64) {
            self.search(chunk, &mut out);
        }
        out
    }

    fn search(&self, roots: &[u32], out: &mut Distances) {
        let mut seen = vec![0_u64; self.len()];
        let mut fresh = vec![0_u64; self.len()];
        for (bit, root) in roots.iter().enumerate() {
            seen[*root as usize] |= 1 << bit;
            fresh[*root as usize] |= 1 << bit;
        }
        let begun = out.eccentricities.len();
        out.eccentricities.resize(begun + roots.len(), 0);
        for distance in 1.. {
            let mut next = vec![0_u64; self.len()];
            let (mut pairs, mut reaching) = (0, 0);
            for node in self.nodes() {
                let at = node as usize;
                let through = self.neighbors(node).iter().fold(0, |bits, n| bits | fresh[*n as usize]);
                next[at] = through & !seen[at];
                seen[at] |= next[at];
                pairs += u64::from(next[at].count_ones());
                reaching |= next[at];
            }
            if pairs == 0 {
                break;
            }
            out.add(distance, pairs);
            for bit in (0..roots.len()).filter(|bit| reaching >> bit & 1 == 1) {
                out.eccentricities[begun + bit] = distance;
            }
            fresh = next;
        }
    }

    /// The mean local clustering coefficient: for each node the part of pairs of its neighbours that are neighbours of
    /// each other; 0 for a node with fewer than two.
    pub fn clustering(&self) -> f64 {
        let local = |node| {
            let neighbors = self.neighbors(node);
            let pairs = neighbors.len() * neighbors.len().saturating_sub(1) / 2;
            let linked = neighbors
                .iter()
                .enumerate()
                .flat_map(|(at, a)| neighbors[at + 1..].iter().filter(move |b| self.has_edge(*a, **b)));
            if pairs == 0 { 0.0 } else { linked.count() as f64 / pairs as f64 }
        };
        self.nodes().map(local).sum::<f64>() / self.len().max(1) as f64
    }

    /// The cost of the cheapest path to the farthest node that can be reached.
    pub fn farthest(&self, root: u32, cost: impl Fn(u32, u32) -> u64) -> u64 {
        let mut best = vec![u64::MAX; self.len()];
        let mut heap = BinaryHeap::from([Reverse((0, root))]);
        best[root as usize] = 0;
        let mut farthest = 0;
        while let Some(Reverse((so_far, node))) = heap.pop() {
            if so_far > best[node as usize] {
                continue;
            }
            farthest = so_far;
            for next in self.neighbors(node) {
                let total = so_far + cost(node, *next);
                if total < best[*next as usize] {
                    best[*next as usize] = total;
                    heap.push(Reverse((total, *next)));
                }
            }
        }
        farthest
    }
}

impl Distances {
    fn add(&mut self, distance: u32, pairs: u64) {
        let at = distance as usize;
        self.histogram.resize(self.histogram.len().max(at + 1), 0);
        self.histogram[at] += pairs;
    }

    /// The mean over the pairs that have a path.
    pub fn mean(&self) -> Option<f64> {
        let pairs: u64 = self.histogram.iter().sum();
        let total: u64 = (0..).zip(&self.histogram).map(|(distance, pairs): (u64, _)| distance * pairs).sum();
        (pairs > 0).then(|| total as f64 / pairs as f64)
    }

    pub fn mean_eccentricity(&self) -> Option<f64> {
        let total: u64 = self.eccentricities.iter().map(|e| u64::from(*e)).sum();
        (!self.eccentricities.is_empty()).then(|| total as f64 / self.eccentricities.len() as f64)
    }
}

impl Components {
    /// The number of the largest.
    pub fn largest(&self) -> Option<u32> {
        let numbered = (0..).zip(&self.sizes);
        numbered.max_by_key(|(number, size)| (**size, Reverse(*number))).map(|(number, _)| number)
    }

    pub fn largest_size(&self) -> usize {
        self.sizes.iter().max().map_or(0, |size| *size as usize)
    }
}

/// The least mean distance that any graph of this size and degree can have: at distance k there are at most
/// d(d-1)^(k-1) nodes (Moore's bound). `None` when no such graph is connected.
pub(crate) fn moore_bound(nodes: usize, degree: usize) -> Option<f64> {
    let (mut left, mut width, mut total) = (nodes.checked_sub(1)?, degree, 0.0);
    let others = left;
    for distance in 1.. {
        let here = left.min(width);
        total += distance as f64 * here as f64;
        left -= here;
        if left == 0 || here == 0 {
            break;
        }
        width = width.saturating_mul(degree - 1);
    }
    (left == 0 && others > 0).then(|| total / others as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(n: u32) -> Graph {
        let edges: Vec<_> = (0..n).map(|at| (at, (at + 1) % n)).collect();
        Graph::new(n as usize, &edges)
    }

    fn complete(n: u32) -> Graph {
        let edges: Vec<_> = (0..n).flat_map(|a| (0..a).map(move |b| (a, b))).collect();
        Graph::new(n as usize, &edges)
    }

    fn petersen() -> Graph {
        let edges: Vec<_> =
            (0..5).flat_map(|at| [(at, (at + 1) % 5), (at, at + 5), (at + 5, (at + 2) % 5 + 5)]).collect();
        Graph::new(10, &edges)
    }

    fn all(graph: &Graph) -> Distances {
        graph.distances(&graph.nodes().collect::<Vec<_>>())
    }

    #[test]
    fn a_ring() {
        let graph = ring(101);
        let distances = all(&graph);
        assert_eq!(distances.mean(), Some(25.5), "1 to 50, each twice");
        assert!(distances.eccentricities.iter().all(|e| *e == 50));
        assert_eq!(graph.clustering(), 0.0);
        assert_eq!(graph.components().sizes, [101]);
        assert_eq!(
            graph.farthest(0, |a, b| u64::from(a.abs_diff(b) == 1) * 9 + 1),
            500,
            "the closing edge costs 1, others 10"
        );
    }

    #[test]
    fn a_complete_graph() {
        let graph = complete(70);
        assert_eq!(all(&graph).mean(), Some(1.0));
        assert_eq!(all(&graph).mean_eccentricity(), Some(1.0));
        assert_eq!(graph.clustering(), 1.0);
        assert_eq!(graph.edges().count(), 70 * 69 / 2);
        assert_eq!(moore_bound(70, 69), Some(1.0));
    }

    #[test]
    fn petersens_graph_meets_moores_bound() {
        let graph = petersen();
        assert!(graph.nodes().all(|node| graph.degree(node) == 3));
        let mean = all(&graph).mean().unwrap();
        assert!((mean - 5.0 / 3.0).abs() < 1e-12, "{mean}");
        assert_eq!(moore_bound(10, 3), Some(mean));
        assert_eq!(all(&graph).mean_eccentricity(), Some(2.0));
        assert_eq!(graph.clustering(), 0.0);
    }

    #[test]
    fn two_components() {
        let graph = Graph::new(6, &[(0, 1), (1, 2), (2, 0), (3, 4), (4, 3), (3, 3)]);
        let components = graph.components();
        assert_eq!(components.sizes, [3, 2, 1]);
        assert_eq!((components.largest(), components.largest_size()), (Some(0), 3));
        assert_eq!(components.of, [0, 0, 0, 1, 1, 2]);
        assert_eq!(graph.degree(3), 1, "a loop is no edge, and an edge named twice is one");
        assert_eq!(all(&graph).mean(), Some(1.0), "pairs without a path do not count");
        assert_eq!(all(&graph).eccentricities, [1, 1, 1, 1, 1, 0]);
        assert_eq!(graph.clustering(), 0.5);
    }

    #[test]
    fn only_what_both_ends_list_is_an_edge() {
        let lists = [vec![2, 1], vec![0, 2], vec![0], vec![2]];
        let (graph, dropped) = Graph::mutual(&lists);
        assert_eq!(graph, Graph::new(4, &[(0, 1), (0, 2)]));
        assert_eq!(dropped, 2);
    }

    #[test]
    fn cheap_detours_are_taken() {
        let graph = Graph::new(4, &[(0, 1), (1, 2), (0, 2), (2, 3)]);
        let cost = |a: u32, b: u32| if (a.min(b), a.max(b)) == (0, 2) { 10 } else { 2 };
        assert_eq!(graph.farthest(0, cost), 6);
    }

    #[test]
    fn moores_bound_of_the_papers_setting() {
        let bound = moore_bound(10_000, 5).unwrap();
        assert!((bound - 6.091).abs() < 5e-4, "{bound}");
        assert_eq!(moore_bound(5, 2), Some(1.5), "a ring of five");
        assert_eq!(moore_bound(2, 1), Some(1.0));
        assert_eq!(moore_bound(3, 1), None, "degree 1 connects two nodes");
        assert_eq!(moore_bound(1, 5), None);
    }
}
