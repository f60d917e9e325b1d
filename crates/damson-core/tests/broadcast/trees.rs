use crate::grove::{Grove, id};

fn hash(a: usize, b: usize) -> u64 {
    ((a.min(b) * 7_919 + a.max(b) * 104_729) % 1_000) as u64
}

#[test]
fn the_first_message_of_every_author_crosses_each_tree_link_once_and_takes_a_shortest_path() {
    let mut grove = Grove::chords(60, |_, _| 1);
    for author in 0..60 {
        let (since, bound) = (grove.now, grove.bound(author));
        let number = grove.write(author);
        grove.run(1_000);
        assert_eq!(grove.reached(author, number), 59);
        let (hops, ms) = grove.last_delivery(author, number, since);
        assert_eq!((u64::from(hops), ms), (bound, bound), "author {author}");
    }
    assert_eq!(grove.frames.pushes, 60 * 59);
    assert_eq!((grove.duplicates(), grove.frames.grafts), (0, 0));
}

#[test]
fn trees_follow_measured_delays_and_not_hops() {
    for (from, to) in [(10, 100), (50, 50), (10, 500)] {
        let mut grove = Grove::chords(60, |a, b| from + hash(a, b) % (to - from + 1));
        for author in [0, 17, 42] {
            let (since, bound) = (grove.now, grove.bound(author));
            let number = grove.write(author);
            grove.run(5_000);
            assert_eq!(grove.reached(author, number), 59);
            assert_eq!(grove.last_delivery(author, number, since).1, bound, "{from}..{to} author {author}");
        }
        assert_eq!(grove.duplicates(), 0, "{from}..{to}");
    }
}

#[test]
fn nothing_is_said_while_nothing_changes() {
    let mut grove = Grove::chords(40, |_, _| 3);
    grove.run(600_000);
    assert_eq!(grove.frames.vectors, 0);
}

#[test]
fn a_new_link_and_a_lost_one_change_only_what_they_must() {
    let mut grove = Grove::chords(60, |_, _| 1);
    grove.link(0, 31, 1);
    grove.run(5_000);
    let joined = grove.frames.vectors;
    assert!(joined < 60 * 6 * 2, "{joined} messages");
    grove.cut(0, 31);
    grove.run(5_000);
    for author in 0..60 {
        let (since, bound) = (grove.now, grove.bound(author));
        let number = grove.write(author);
        grove.run(1_000);
        assert_eq!(grove.reached(author, number), 59);
        assert_eq!(grove.last_delivery(author, number, since).1, bound);
    }
    assert_eq!(grove.duplicates(), 0);
}

#[test]
fn the_distance_of_an_author_that_is_gone_is_forgotten_everywhere() {
    let mut grove = Grove::chords(30, |_, _| 1);
    assert!(grove.nodes[9].broadcast.distance(id(3)).is_some());
    grove.fell(3);
    grove.run(30_000);
    for at in (0..30).filter(|at| *at != 3) {
        assert_eq!(grove.nodes[at].broadcast.distance(id(3)), None, "node {at}");
    }
    assert_eq!(grove.nodes[9].broadcast.reachable(), 29);
}

/// Counting up to 31 hops, each end of the 300 links would say some twenty-five numbers; withdrawn, some three.
#[test]
fn the_distances_of_an_author_that_is_gone_are_withdrawn_and_do_not_count_up() {
    let bytes = |grove: &Grove| {
        grove.nodes.iter().map(|node| node.broadcast.counters().vector_bytes_sent).sum::<u64>()
    };
    for (from, to) in [(1, 1), (10, 100)] {
        let mut grove = Grove::chords(100, |a, b| from + hash(a, b) % (to - from + 1));
        let others: Vec<usize> = grove.neighbors(42);
        // Alone with one neighbour first: what remains to be said is then of this author only.
        others[1..].iter().for_each(|other| grove.cut(42, *other));
        grove.run(60_000);
        let before = bytes(&grove);
        grove.cut(42, others[0]);
        grove.run(60_000);
        assert_eq!(grove.nodes[7].broadcast.distance(id(42)), None);
        let said = (bytes(&grove) - before) / 6;
        assert!(said < 4 * 600, "{from}..{to}: {said} numbers");
    }
}

#[test]
fn parents_and_children_agree() {
    let grove = Grove::chords(40, |a, b| 1 + hash(a, b) % 9);
    for root in 0..40 {
        for at in (0..40).filter(|at| *at != root) {
            let parent = grove.nodes[at].broadcast.parent(id(root)).unwrap();
            let children = grove.nodes[crate::grove::at(parent)].broadcast.children(id(root));
            assert!(children.contains(&id(at)), "root {root}, node {at}");
        }
        let links: usize = grove.nodes.iter().map(|node| node.broadcast.children(id(root)).len()).sum();
        assert_eq!(links, 39, "root {root}");
    }
}

#[test]
fn a_message_that_is_sent_before_trees_are_known_reaches_all_nevertheless() {
    let mut grove = Grove::new(20);
    for a in 0..20 {
        grove.link(a, (a + 1) % 20, 5);
        grove.link(a, (a + 6) % 20, 5);
    }
    // No distance has been told yet.
    let number = grove.write(4);
    grove.run(1_000);
    assert_eq!(grove.reached(4, number), 19);
}
