//! Links that are only told of payloads, and payloads that go to neighbours drawn at random.

use std::collections::BTreeSet;

use damson_core::broadcast::BroadcastConfig;

use crate::grove::{Grove, id};

/// A way round over three slow links, and a quick one that is lazy at both ends.
fn ring_with_a_lazy_link() -> Grove {
    let mut grove = Grove::new(4);
    [(0, 1), (1, 2), (2, 3)].into_iter().for_each(|(a, b)| grove.link(a, b, 10));
    grove.link(0, 3, 1);
    grove.nodes[0].broadcast.be_lazy(id(3));
    grove.nodes[3].broadcast.be_lazy(id(0));
    grove.run(2_000);
    grove
}

#[test]
fn a_lazy_link_carries_payloads_only_where_there_is_no_other_path() {
    let mut grove = ring_with_a_lazy_link();
    for author in 0..4 {
        let number = grove.write(author);
        grove.run(1_000);
        assert_eq!(grove.reached(author, number), 3);
    }
    assert_eq!(grove.frames.pushes, 4 * 3, "each payload crosses each of three links once");
    assert_eq!(grove.nodes[3].came_from[&(0, 1)], 2);
    assert_eq!(grove.nodes[0].came_from[&(3, 1)], 1);
    grove.cut(1, 2);
    grove.run(5_000);
    let number = grove.write(0);
    grove.run(100);
    assert_eq!(grove.reached(0, number), 3, "pushed, and not only announced");
    assert_eq!(grove.nodes[3].came_from[&(0, number)], 0);
    assert_eq!(grove.duplicates(), 0);
}

#[test]
fn who_asks_over_a_lazy_link_is_pushed_to_from_then_on() {
    let mut grove = ring_with_a_lazy_link();
    grove.deaf.insert((2, 3));
    let number = grove.write(0);
    grove.run(10_000);
    assert_eq!(grove.nodes[3].came_from[&(0, number)], 0, "it was asked for where it was announced");
    let asked = grove.frames.grafts;
    assert!(asked > 0);
    let number = grove.write(0);
    grove.run(100);
    assert_eq!(grove.nodes[3].came_from[&(0, number)], 0, "the shorter way is its tree's now");
    assert_eq!(grove.frames.grafts, asked);
}

#[test]
fn payloads_drawn_at_random_are_pushed_to_as_many_as_the_fanout_and_reach_all() {
    let config = |_| BroadcastConfig { fanout: Some(2), calm_ms: 500, ..BroadcastConfig::default() };
    let mut grove = Grove::with(12, config);
    (0..12).for_each(|a| (0..a).for_each(|b| grove.link(a, b, 2)));
    grove.run(10_000);
    let mut first_hops = BTreeSet::new();
    for _ in 0..20 {
        let number = grove.write(0);
        grove.run(20);
        let reached = grove.reached(0, number);
        assert!(reached >= 5, "only {reached} of 11 at once");
        let heard = |at: &usize| grove.nodes[*at].came_from.get(&(0, number)) == Some(&0);
        first_hops.extend((1..12).filter(heard));
    }
    assert!(first_hops.len() >= 9, "others for each payload: {first_hops:?}");
    grove.run(10_000);
    assert!((1..=20).all(|number| grove.reached(0, number) == 11), "announcements bring the rest");
    let (pushes, most) = (grove.frames.pushes, 20 * 12 * 2);
    assert!(pushes < most + most / 4, "{pushes} pushes, those that were asked for included");
    assert!(grove.nodes.iter().all(|node| node.broadcast.counters().prunes_sent == 0));
}
