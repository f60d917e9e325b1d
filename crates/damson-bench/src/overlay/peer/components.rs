//! How much of the overlay hangs together.

use std::collections::BTreeSet;

use super::network::NodeNo;

/// The size of the largest component of these nodes, by links that both ends list.
pub fn largest(views: &[BTreeSet<NodeNo>], nodes: &[NodeNo]) -> usize {
    let mut left: BTreeSet<NodeNo> = nodes.iter().copied().collect();
    let mut largest = 0;
    while let Some(root) = left.pop_first() {
        let mut stack = vec![root];
        let mut size = 0;
        while let Some(node) = stack.pop() {
            size += 1;
            let listed = views[node as usize].iter().filter(|other| views[**other as usize].contains(&node));
            stack.extend(listed.filter(|other| left.remove(other)));
        }
        largest = largest.max(size);
    }
    largest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_that_both_ends_list_count_and_only_among_the_nodes_asked_for() {
        let views = [vec![1], vec![0, 2], vec![1, 3], vec![], vec![5], vec![4]];
        let views: Vec<BTreeSet<NodeNo>> = views.into_iter().map(|view| view.into_iter().collect()).collect();
        assert_eq!(largest(&views, &[0, 1, 2, 3, 4, 5]), 3);
        assert_eq!(largest(&views, &[0, 2, 3, 4, 5]), 2);
        assert_eq!(largest(&views, &[]), 0);
    }
}
