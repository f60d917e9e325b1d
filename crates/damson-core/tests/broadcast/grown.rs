//! Authors for whom there is no place in the table of distances.

use damson_core::broadcast::BroadcastConfig;

use crate::grove::Grove;

fn hash(a: usize, b: usize) -> u64 {
    ((a.min(b) * 7_919 + a.max(b) * 104_729) % 1_000) as u64
}

/// Only their own place.
fn small(_: usize) -> BroadcastConfig {
    BroadcastConfig { sources_max: 1, ..BroadcastConfig::default() }
}

fn write_once_each(grove: &mut Grove, authors: std::ops::Range<usize>) {
    for author in authors {
        let number = grove.write(author);
        grove.run(3_000);
        assert_eq!(grove.reached(author, number), grove.nodes.len() - 1, "author {author}");
    }
}

#[test]
fn the_first_message_grows_the_tree_on_which_the_second_takes_a_shortest_path() {
    for (from, to) in [(1, 1), (10, 100), (10, 500)] {
        let mut grove = Grove::chords_with(60, |a, b| from + hash(a, b) % (to - from + 1), small);
        write_once_each(&mut grove, 0..60);
        let (pushes, duplicates) = (grove.frames.pushes, grove.duplicates());
        assert!(duplicates > 0, "a first message is flooded");
        for author in 0..60 {
            let (since, bound) = (grove.now, grove.bound(author));
            let number = grove.write(author);
            grove.run(3_000);
            assert_eq!(grove.reached(author, number), 59);
            assert_eq!(grove.last_delivery(author, number, since).1, bound, "{from}..{to} author {author}");
        }
        assert_eq!(grove.frames.pushes - pushes, 60 * 59, "{from}..{to}");
        assert_eq!(grove.duplicates(), duplicates, "{from}..{to}");
        assert_eq!(grove.frames.grafts, 0, "{from}..{to}");
    }
}

#[test]
fn a_broken_tree_is_grafted_and_the_next_message_needs_nobody_to_ask() {
    let mut grove = Grove::chords_with(60, |_, _| 2, small);
    write_once_each(&mut grove, 0..1);
    for _ in 0..3 {
        let number = grove.write(0);
        grove.run(3_000);
        let from = |at: usize| grove.nodes[at].came_from.get(&(0, number)).copied();
        let inner = (1..60).find_map(|at| Some((at, from(at).filter(|parent| *parent != 0)?)));
        let (child, parent) = inner.expect("most are no neighbours of the author");
        grove.cut(parent, child);
        grove.run(3_000);
        let number = grove.write(0);
        grove.run(10_000);
        assert_eq!(grove.reached(0, number), 59);
    }
    let (grafts, pushes) = (grove.frames.grafts, grove.frames.pushes);
    assert!(grafts > 0);
    let number = grove.write(0);
    grove.run(10_000);
    assert_eq!(grove.reached(0, number), 59);
    assert_eq!((grove.frames.grafts, grove.frames.pushes - pushes), (grafts, 59));
}

#[test]
fn when_even_these_trees_have_no_place_they_take_turns_and_all_is_delivered() {
    let config = |_| BroadcastConfig { sources_max: 1, grown_max: 8, ..BroadcastConfig::default() };
    let mut grove = Grove::chords_with(60, |_, _| 2, config);
    write_once_each(&mut grove, 0..60);
    write_once_each(&mut grove, 0..60);
    let bytes = grove.nodes[0].broadcast.tree_bytes();
    assert!(bytes <= 300, "{bytes} bytes");
}

#[test]
fn nodes_with_and_without_room_for_distances_understand_each_other() {
    let config = |at| if at % 2 == 0 { BroadcastConfig::default() } else { small(at) };
    let mut grove = Grove::chords_with(60, |_, _| 2, config);
    for _ in 0..3 {
        write_once_each(&mut grove, 0..60);
    }
    let (pushes, haves) = (grove.frames.pushes, grove.frames.haves);
    write_once_each(&mut grove, 0..60);
    assert!(grove.frames.pushes - pushes < 61 * 59, "{} pushes, {haves} haves", grove.frames.pushes - pushes);
}
