use damson_core::broadcast::BroadcastConfig;
use damson_core::wire::{Have, Want};

use crate::grove::{Grove, Said, actor, id, scope};

fn announce(author: usize, last: u64) -> Have {
    Have { scope: scope(), actor: actor(author), last }
}

#[test]
fn a_peer_that_announces_and_never_delivers_is_asked_once_and_then_anti_entropy_is() {
    let mut grove = Grove::new(2);
    grove.link(0, 1, 1);
    grove.run(1_000);
    for round in 0..100 {
        let haves = (0..1_000).map(|author| announce(1_000 * round + author + 10, 1)).collect();
        grove.hear(1, 0, Said::Have(haves));
    }
    let dropped = grove.nodes[0].broadcast.counters().dropped;
    let max = BroadcastConfig::default().missing_max as u64;
    assert_eq!(dropped, 100_000 - max, "what is missing is bounded");
    grove.run(10_000);
    assert!(grove.frames.grafts <= 3, "{}", grove.frames.grafts);
    assert!(grove.nodes[0].synced.contains(&1));
    assert_eq!(
        grove.nodes[0].broadcast.deadline(),
        damson_core::time::Time(u64::MAX),
        "nothing is left to do"
    );
}

#[test]
fn requests_are_answered_from_the_log_and_never_with_more_than_was_asked_for() {
    let mut grove = Grove::new(2);
    grove.link(0, 1, 1);
    grove.run(1_000);
    (0..10).for_each(|_| _ = grove.write(0));
    grove.run(1_000);
    let before = grove.frames.pushes;
    let want = |first, last| Want { scope: scope(), actor: actor(0), first, last };
    grove.hear(1, 0, Said::Graft(vec![want(3, 5), want(9, u64::MAX), want(50, 7), want(0, 0)]));
    assert_eq!(grove.frames.pushes - before, 5);
}

#[test]
fn strangers_are_not_answered() {
    let mut grove = Grove::new(3);
    grove.link(0, 1, 1);
    grove.run(1_000);
    let mut fx = Vec::new();
    let want = Want { scope: scope(), actor: actor(0), first: 1, last: 9 };
    let node = &mut grove.nodes[0];
    node.broadcast.on_graft(id(2), &[want], grove.now, &mut fx);
    node.broadcast.on_have(id(2), &[announce(2, 1)], &node.seen, grove.now);
    node.broadcast.on_vector(id(2), &[0; 600], grove.now);
    assert!(fx.is_empty());
    assert_eq!(node.broadcast.counters().refused, 3);
}

#[test]
fn distances_that_are_no_distances_and_forged_rounds_do_no_harm() {
    let mut grove = Grove::chords(12, |_, _| 1);
    for junk in [vec![1], vec![0xFF; 6_000], vec![0; 7], (0..=255).cycle().take(60_000).collect()] {
        let from = grove.neighbors(0)[0];
        grove.hear(from, 0, Said::Vector(junk));
    }
    grove.run(10_000);
    let from = grove.neighbors(0)[0];
    let payload = crate::grove::item(77, 1, 0).payload;
    grove.hear(from, 0, Said::Push { actor: actor(77), number: 1, round: 255, payload });
    grove.run(10_000);
    assert_eq!(grove.reached(77, 1), 12);
    for author in 0..12 {
        let number = grove.write(author);
        grove.run(10_000);
        assert_eq!(grove.reached(author, number), 11);
    }
}

#[test]
fn a_flood_of_unknown_authors_fills_a_table_of_bounded_size() {
    let mut grove = Grove::new(2);
    grove.link(0, 1, 1);
    grove.run(1_000);
    for key in 0..500_000_u32 {
        let entry = [&key.wrapping_mul(2_654_435_761).to_le_bytes()[..], &33_u16.to_le_bytes()].concat();
        grove.nodes[0].broadcast.on_vector(id(1), &entry, grove.now);
    }
    assert_eq!(grove.nodes[0].broadcast.reachable(), BroadcastConfig::default().sources_max);
    assert!(grove.nodes[0].broadcast.counters().refused > 100_000);
    let bytes = grove.nodes[0].broadcast.tree_bytes();
    assert!(bytes < 1 << 20, "{bytes} bytes");
}
