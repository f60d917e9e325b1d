//! A bulk start: the trees of all possible authors at once, as first messages of all of them would have grown them.
//!
//! With 100,000 nodes and authors the distances alone would be 150 GB, and telling them 300 GB. So such runs have grown
//! trees, one bit for each link and author, and instead of 10^5 first messages to 10^5 nodes breadth-first searches say over
//! which links these would have come first. [`WIDTH`] of them share one pass over the links.

use std::thread;

use super::graph::Graph;

/// Words of 64 authors that are searched for at once: a line of the processor's cache.
const WORDS: usize = 8;
pub(crate) const WIDTH: usize = WORDS * 64;

type Row = [u64; WORDS];

/// For each arc of the graph, in the order of its lists, a bit for each author: set where payloads do not go.
pub(crate) fn lazy_links(graph: &Graph, authors: &[Option<u32>]) -> Vec<Vec<u64>> {
    let twins = graph.twins();
    let half = authors.len().div_ceil(2 * WIDTH) * WIDTH;
    let halves = authors.split_at(half.min(authors.len()));
    let grow = |authors: &[Option<u32>], words: usize| {
        let mut lazy: Vec<Vec<u64>> = (0..twins.len()).map(|_| Vec::with_capacity(words)).collect();
        for some in authors.chunks(WIDTH) {
            let rows = grow_trees(graph, &twins, some);
            let words = some.len().div_ceil(64);
            rows.iter()
                .zip(&mut lazy)
                .for_each(|(row, lazy)| lazy.extend(row[..words].iter().map(|word| !word)));
        }
        lazy
    };
    let (mut first, second) = thread::scope(|scope| {
        let second = scope.spawn(|| grow(halves.1, halves.1.len().div_ceil(64)));
        (grow(halves.0, authors.len().div_ceil(64)), second.join().expect("it does not panic"))
    });
    first.iter_mut().zip(second).for_each(|(first, second)| first.extend(second));
    first
}

/// For each arc: whose payloads go over the link, in either direction. A node takes them from the first of its
/// neighbours that has them.
fn grow_trees(graph: &Graph, twins: &[u32], authors: &[Option<u32>]) -> Vec<Row> {
    let mut trees = vec![[0; WORDS]; twins.len()];
    let mut seen = vec![[0; WORDS]; graph.len()];
    for (bit, author) in authors.iter().enumerate() {
        author.iter().for_each(|at| seen[*at as usize][bit / 64] |= 1 << (bit % 64));
    }
    let (mut fresh, mut next) = (seen.clone(), vec![[0; WORDS]; graph.len()]);
    let mut is_growing = true;
    while is_growing {
        is_growing = false;
        for node in graph.nodes() {
            let mut left = seen[node as usize].map(|word| !word);
            let mut came = [0; WORDS];
            for (arc, neighbor) in graph.arcs(node) {
                let over: Row = std::array::from_fn(|at| left[at] & fresh[neighbor as usize][at]);
                if over != [0; WORDS] {
                    (0..WORDS).for_each(|at| {
                        trees[arc][at] |= over[at];
                        left[at] &= !over[at];
                        came[at] |= over[at];
                    });
                    let twin = twins[arc] as usize;
                    (0..WORDS).for_each(|at| trees[twin][at] |= over[at]);
                }
            }
            next[node as usize] = came;
            is_growing |= came != [0; WORDS];
        }
        for (seen, next) in seen.iter_mut().zip(&next) {
            (0..WORDS).for_each(|at| seen[at] |= next[at]);
        }
        std::mem::swap(&mut fresh, &mut next);
    }
    trees
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ring of 600 with chords.
    fn graph() -> Graph {
        let edges: Vec<_> =
            (0..600).flat_map(|at| [(at, (at + 1) % 600), (at, (at * 7 + 31) % 600)]).collect();
        Graph::new(600, &edges)
    }

    /// Hops to the farthest node over links of the author's tree, and how many nodes and links it has.
    fn walk(graph: &Graph, lazy: &[Vec<u64>], author: u32, slot: usize) -> (u32, usize, usize) {
        let is_eager = |arc: usize| lazy[arc][slot / 64] >> (slot % 64) & 1 == 0;
        let mut hops = vec![None; graph.len()];
        hops[author as usize] = Some(0_u32);
        let (mut queue, mut links) = (std::collections::VecDeque::from([author]), 0);
        while let Some(node) = queue.pop_front() {
            for (_, neighbor) in graph.arcs(node).filter(|(arc, _)| is_eager(*arc)) {
                links += 1;
                if hops[neighbor as usize].is_none() {
                    hops[neighbor as usize] = Some(hops[node as usize].unwrap() + 1);
                    queue.push_back(neighbor);
                }
            }
        }
        (hops.iter().flatten().copied().max().unwrap(), hops.iter().flatten().count(), links)
    }

    #[test]
    fn each_author_has_a_tree_of_shortest_paths() {
        let graph = graph();
        let authors: Vec<_> = graph.nodes().map(|node| (node != 77).then_some(node)).collect();
        let lazy = lazy_links(&graph, &authors);
        assert!(lazy.iter().all(|bits| bits.len() == 600_usize.div_ceil(64)));
        for (slot, author) in authors.iter().enumerate() {
            let Some(author) = *author else { continue };
            let eccentricity = graph.distances(&[author]).eccentricities[0];
            assert_eq!(walk(&graph, &lazy, author, slot), (eccentricity, 600, 2 * 599), "author {author}");
        }
        assert_eq!(walk(&graph, &lazy, 77, 77).1, 1, "no author, no tree");
    }
}
