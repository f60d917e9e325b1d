//! A random regular graph: what an overlay of random links of the same degree would be.
//!
//! By pairing: each node has as many stubs as its degree, stubs are paired at random, and pairs that would be a loop or a
//! second edge are mended by switching with random other pairs (McKay, Wormald 1990). Further switches join components.

use super::graph::Graph;
use crate::dice::Dice;

/// A simple connected graph whose nodes all have this degree, as far as such a graph exists: when nodes and degree are
/// both odd one node has an edge less; degrees end at `nodes - 1`; degree 1 connects only two nodes.
pub(crate) fn random_regular(nodes: usize, degree: usize, dice: &mut Dice) -> Graph {
    let degree = degree.min(nodes.saturating_sub(1));
    let mut pairs = Pairs::new(nodes, degree, dice);
    while !pairs.make_simple(dice) {
        pairs = Pairs::new(nodes, degree, dice);
    }
    loop {
        let graph = Graph::new(nodes, &pairs.list);
        let components = graph.components();
        if components.sizes.len() <= 1 || degree < 2 {
            return graph;
        }
        pairs.join(&components.of, dice);
    }
}

struct Pairs {
    list: Vec<(u32, u32)>,
    /// For each node the others, as often as they are paired.
    adjacent: Vec<Vec<u32>>,
}

impl Pairs {
    fn new(nodes: usize, degree: usize, dice: &mut Dice) -> Self {
        let all = 0..u32::try_from(nodes).expect("nodes are numbered with 32 bits");
        let mut stubs: Vec<u32> = all.flat_map(|node| std::iter::repeat_n(node, degree)).collect();
        dice.shuffle(&mut stubs);
        let mut out = Self { list: Vec::new(), adjacent: vec![Vec::with_capacity(degree); nodes] };
        for pair in stubs.chunks_exact(2) {
            out.list.push((pair[0], pair[1]));
            out.link(pair[0], pair[1]);
        }
        out
    }

    fn link(&mut self, a: u32, b: u32) {
        self.adjacent[a as usize].push(b);
        self.adjacent[b as usize].push(a);
    }

    fn unlink(&mut self, a: u32, b: u32) {
        for (at, other) in [(a, b), (b, a)] {
            let list = &mut self.adjacent[at as usize];
            let found = list.iter().position(|n| *n == other).expect("it was linked");
            list.swap_remove(found);
        }
    }

    fn are_linked(&self, a: u32, b: u32) -> bool {
        self.adjacent[a as usize].contains(&b)
    }

    fn is_faulty(&self, (a, b): (u32, u32)) -> bool {
        a == b || self.adjacent[a as usize].iter().filter(|n| **n == b).count() > 1
    }

    /// Says whether it was possible: in small dense graphs it may lead nowhere.
    fn make_simple(&mut self, dice: &mut Dice) -> bool {
        let mut tries = 100 * self.list.len();
        for at in 0..self.list.len() {
            while self.is_faulty(self.list[at]) {
                let other = dice.index(self.list.len());
                self.turn(other, dice);
                self.switch(at, other);
                tries -= 1;
                if tries == 0 {
                    return false;
                }
            }
        }
        true
    }

    /// Which end of a pair is named first is chance, too.
    fn turn(&mut self, at: usize, dice: &mut Dice) {
        let (a, b) = self.list[at];
        if dice.percent(50) {
            self.list[at] = (b, a);
        }
    }

    /// Makes a-b and c-d into a-d and c-b, unless that would make a loop or a second edge.
    fn switch(&mut self, one: usize, other: usize) -> bool {
        let ((a, b), (c, d)) = (self.list[one], self.list[other]);
        let possible = one != other && a != d && c != b && !self.are_linked(a, d) && !self.are_linked(c, b);
        if possible {
            self.unlink(a, b);
            self.unlink(c, d);
            self.link(a, d);
            self.link(c, b);
            self.list[one] = (a, d);
            self.list[other] = (c, b);
        }
        possible
    }

    /// Switches edges of different components with each other.
    fn join(&mut self, component: &[u32], dice: &mut Dice) {
        for at in 0..self.list.len() {
            let other = dice.index(self.list.len());
            let of = |at: usize| component[self.list[at].0 as usize];
            if of(at) != of(other) {
                self.turn(other, dice);
                self.switch(at, other);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn degrees(nodes: usize, degree: usize, seed: u64) -> Vec<usize> {
        let graph = random_regular(nodes, degree, &mut Dice::new(seed));
        assert_eq!(graph.len(), nodes);
        if degree > 1 {
            assert_eq!(graph.components().sizes, [u32::try_from(nodes).unwrap()], "seed {seed}");
        }
        graph.nodes().map(|node| graph.degree(node)).collect()
    }

    #[test]
    fn all_degrees_are_equal_and_all_is_connected() {
        for seed in 0..50 {
            for (nodes, degree) in [(10, 3), (60, 5), (200, 4), (12, 11), (50, 2), (6, 4)] {
                assert_eq!(degrees(nodes, degree, seed), vec![degree; nodes], "{nodes} nodes, seed {seed}");
            }
        }
    }

    #[test]
    fn odd_sums_and_great_degrees_are_met_as_nearly_as_possible() {
        let odd = degrees(31, 5, 1);
        assert_eq!(odd.iter().filter(|degree| **degree == 5).count(), 30);
        assert_eq!(odd.iter().sum::<usize>(), 154);
        assert_eq!(degrees(4, 9, 1), [3; 4]);
        assert_eq!(degrees(8, 1, 1), [1; 8]);
    }

    #[test]
    fn it_is_nearly_as_short_as_the_theory_of_random_graphs_says() {
        let graph = random_regular(2_000, 5, &mut Dice::new(3));
        let mean = graph.distances(&graph.nodes().collect::<Vec<_>>()).mean().unwrap();
        assert!((5.2..5.8).contains(&mean), "{mean}");
        assert!(graph.clustering() < 0.01);
    }
}
