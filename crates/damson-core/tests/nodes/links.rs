//! Links that break in silence, and links that replace others.

use damson_core::node::Config;
use damson_core::wire::Message;

use crate::bus::{Bus, Rows, id};

fn three() -> (Bus, [usize; 3]) {
    let mut bus = Bus::default();
    let nodes = [1, 2, 3].map(|n| {
        let mut config = Config::new(format!("n{n}"), "test");
        config.address = format!("n{n}");
        bus.start_with(config, n, Rows::new(), None, u64::from(n))
    });
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        bus.link(nodes[a], nodes[b]);
    }
    bus.run(5_000);
    (bus, nodes)
}

/// A firewall forgets the connection: both ends think that it is up, and others reach both.
#[test]
fn a_link_that_carries_nothing_is_dropped_though_others_reach_its_peer() {
    let (mut bus, [a, b, _]) = three();
    bus.deaf = [(a, b), (b, a)].into();
    bus.run(15_000);
    let peers: Vec<_> = bus.node(a).peers().collect();
    assert_eq!(peers, [id(3)]);
    assert!(bus.dialed.contains(&(a, "n2".into())), "it is dialled again");
    assert_eq!(bus.node(a).roster().get(id(2)).unwrap().state.name(), "alive");
}

#[test]
fn a_neighbour_over_a_new_link_is_told_all_distances_again() {
    let (mut bus, [a, b, _]) = three();
    bus.sent.clear();
    bus.link(a, b);
    bus.run(1_000);
    let told = |by: usize| bus.sent.iter().any(|(from, m)| *from == by && matches!(m, Message::Vector(_)));
    assert!(told(a) && told(b));
}
