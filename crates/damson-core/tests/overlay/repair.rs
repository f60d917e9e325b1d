use std::collections::{BTreeMap, BTreeSet, VecDeque};

use damson_core::membership::{OverlayConfig, OverlayInput};

use crate::town::{Town, at, contact};

/// How many the first survivor can reach through what the survivors know, active and passive.
fn known_together(town: &Town) -> usize {
    let living: BTreeSet<usize> = town.living().into_iter().collect();
    let mut graph: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    for a in &living {
        let overlay = town.overlays[*a].as_ref().unwrap();
        for b in overlay.active().chain(overlay.passive()).map(at).filter(|b| living.contains(b)) {
            graph.entry(*a).or_default().insert(b);
            graph.entry(b).or_default().insert(*a);
        }
    }
    let largest = living.iter().map(|first| {
        let mut seen = BTreeSet::from([*first]);
        let mut queue = VecDeque::from([*first]);
        while let Some(at) = queue.pop_front() {
            let next = graph.get(&at).into_iter().flatten();
            queue.extend(next.copied().filter(|next| seen.insert(*next)));
        }
        seen.len()
    });
    largest.max().unwrap()
}

#[test]
fn survivors_of_a_mass_failure_are_connected_within_a_cycle_as_far_as_they_know_each_other() {
    for (percent, seed) in [(50, 1), (80, 2), (90, 3)] {
        let mut town = Town::of(600, OverlayConfig::default(), seed);
        town.run_cycles(20);
        (0..600).filter(|at| (at * 7919 + 13) % 100 < percent).for_each(|at| town.kill(at));
        let known = known_together(&town);
        town.run_cycles(1);
        let living = town.living();
        let reached = living.iter().map(|at| town.reached_from(*at)).max().unwrap();
        assert!(reached >= known, "{percent} %: {reached} of {known} of {}", living.len());
        assert_eq!(town.one_way(), [], "{percent} %");
    }
}

#[test]
fn a_survivor_that_knows_nobody_is_called_by_those_who_know_it() {
    for seed in 1..=8 {
        let mut town = Town::of(600, OverlayConfig { passive: 12, ..OverlayConfig::default() }, seed);
        town.run_cycles(20);
        (0..600).filter(|at| (at * 7919 + 13) % 100 < 88).for_each(|at| town.kill(at));
        let known = known_together(&town);
        town.knows_paths = true;
        town.run_cycles(1);
        let reached = town.living().iter().map(|at| town.reached_from(*at)).max().unwrap();
        assert!(reached >= known, "seed {seed}: {reached} of {known} of {}", town.living().len());
    }
}

#[test]
fn after_a_failed_dial_the_next_candidate_is_tried_at_once() {
    let mut town = Town::of(100, OverlayConfig::default(), 5);
    town.run_cycles(10);
    let survivor = 50;
    let known: Vec<usize> = town.overlays[survivor].as_ref().unwrap().passive().map(at).collect();
    let spared = known[known.len() / 2];
    (0..100).filter(|at| *at != survivor && *at != spared).for_each(|at| town.kill(at));
    town.run(500);
    assert_eq!(town.view(survivor), [spared]);
}

#[test]
fn a_node_without_neighbours_takes_the_first_that_offers_itself_though_all_its_places_are_reserved() {
    let mut town = Town::of(30, OverlayConfig::default(), 5);
    town.run_cycles(2);
    let newcomer = town.start(1);
    // It asks those whose dials are never answered.
    town.input(newcomer, OverlayInput::Candidates((1_000..1_010).map(contact).collect()));
    town.run(2_000);
    town.dial(newcomer, 3);
    town.run(1_000);
    assert!(!town.view(newcomer).is_empty());
}

#[test]
fn two_overlays_become_one_when_a_member_of_one_hears_of_the_other() {
    let mut town = Town::of(40, OverlayConfig::default(), 1);
    for _ in 0..40 {
        let newcomer = town.start(1);
        if newcomer > 40 {
            town.dial(newcomer, 40);
        }
        town.run(1);
    }
    town.run_cycles(5);
    assert_eq!((town.reached_from(0), town.reached_from(40)), (40, 40));
    town.bridge(7, 60);
    town.run_cycles(2);
    assert!(town.is_connected());
    assert_eq!(town.one_way(), []);
    assert!(town.living().iter().all(|at| town.view(*at).len() <= 5));
}

#[test]
fn a_peer_that_takes_us_for_its_neighbour_by_mistake_is_told() {
    let mut town = Town::of(30, OverlayConfig::default(), 3);
    town.run_cycles(5);
    let (a, b) = (3, town.view(3)[0]);
    // As if the other end had said it and forgotten: it keeps the link.
    town.input(
        a,
        OverlayInput::Message(contact(b).id, damson_core::wire::OverlayMessage::Disconnect { instead: None }),
    );
    assert!(town.view(b).contains(&a) && !town.view(a).contains(&b));
    town.input(a, OverlayInput::Claimed(contact(b).id));
    town.run(1);
    assert!(!town.view(b).contains(&a));
}
