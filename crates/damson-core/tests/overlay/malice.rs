use damson_core::crdt::NodeId;
use damson_core::membership::{Overlay, OverlayConfig, OverlayEffect, OverlayInput};
use damson_core::time::Time;
use damson_core::wire::{Aged, Contact, OverlayMessage};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::town::contact;

/// A node with three neighbours, 1 to 3.
fn settled() -> Overlay {
    let rng = ChaCha8Rng::seed_from_u64(1);
    let mut overlay = Overlay::new(OverlayConfig::default(), contact(0), rng, Time(1));
    for peer in 1..=3 {
        tell(&mut overlay, OverlayInput::LinkOpen { contact: contact(peer), dialed: None, apart: false });
        let request = OverlayMessage::Neighbor { urgent: false, neighbors: Vec::new() };
        tell(&mut overlay, OverlayInput::Message(contact(peer).id, request));
    }
    assert_eq!(overlay.active().count(), 3);
    overlay
}

fn tell(overlay: &mut Overlay, input: OverlayInput) -> Vec<OverlayEffect> {
    let mut fx = Vec::new();
    overlay.handle(input, Time(1), &mut fx);
    fx
}

fn says(overlay: &mut Overlay, from: usize, message: OverlayMessage) -> Vec<OverlayEffect> {
    tell(overlay, OverlayInput::Message(contact(from).id, message))
}

fn walk(who: Contact) -> OverlayMessage {
    OverlayMessage::ForwardJoin { who, ttl: 0, hops: 20, urgent: true }
}

#[test]
fn walks_and_shuffles_of_those_who_are_no_neighbours_are_refused() {
    let mut overlay = settled();
    tell(&mut overlay, OverlayInput::LinkOpen { contact: contact(9), dialed: None, apart: false });
    let shuffle = OverlayMessage::Shuffle { token: 7, ttl: 3, sample: Vec::new() };
    assert_eq!(says(&mut overlay, 9, walk(contact(8))), []);
    assert_eq!(says(&mut overlay, 9, shuffle), []);
    assert_eq!(overlay.counters().refused, 2);
}

#[test]
fn an_acceptance_that_nobody_asked_for_makes_no_neighbour_and_its_sender_is_told() {
    let mut overlay = settled();
    tell(&mut overlay, OverlayInput::LinkOpen { contact: contact(9), dialed: None, apart: false });
    let reply = OverlayMessage::NeighborReply { accepted: true, neighbors: Vec::new() };
    let fx = says(&mut overlay, 9, reply);
    let told = OverlayEffect::Send(contact(9).id, OverlayMessage::Disconnect { instead: None });
    assert_eq!(fx, [told]);
    assert!(!overlay.is_neighbor(contact(9).id));
}

#[test]
fn a_way_back_that_nobody_opened_leads_nowhere() {
    let mut overlay = settled();
    let sample = vec![Aged { contact: contact(77), age: 0 }];
    assert_eq!(says(&mut overlay, 1, OverlayMessage::ShuffleReply { token: 5, sample }), []);
    assert_eq!(overlay.passive().count(), 0);
    assert_eq!(overlay.counters().refused, 1);
}

#[test]
fn entries_that_point_to_ourselves_or_nowhere_do_not_enter_the_view() {
    let mut overlay = settled();
    let nowhere = Contact { id: contact(5).id, address: String::new() };
    let sample = [contact(0), nowhere, contact(1), contact(6)].map(|contact| Aged { contact, age: 0 });
    says(&mut overlay, 1, OverlayMessage::Shuffle { token: 1, ttl: 0, sample: sample.to_vec() });
    assert_eq!(overlay.passive().collect::<Vec<NodeId>>(), [contact(6).id]);
    assert_eq!(says(&mut overlay, 1, walk(contact(0))), [], "we do not join ourselves");
}

#[test]
fn thousands_of_joins_in_a_second_open_few_links_and_keep_the_views_in_their_bounds() {
    let mut overlay = settled();
    let config = OverlayConfig::default();
    let mut dials = 0;
    for n in 0..5_000 {
        let fx = says(&mut overlay, 1 + n % 3, walk(contact(100 + n)));
        dials += fx.iter().filter(|effect| matches!(effect, OverlayEffect::Dial(_))).count();
        tell(
            &mut overlay,
            OverlayInput::LinkOpen { contact: contact(10_000 + n), dialed: None, apart: false },
        );
        says(&mut overlay, 10_000 + n, OverlayMessage::Join);
        tell(&mut overlay, OverlayInput::LinkClosed(contact(10_000 + n).id));
    }
    assert!(dials <= config.asked_max, "{dials} dials");
    assert!(overlay.passive().count() <= config.passive);
    assert!(overlay.active().count() <= config.active);
    assert!(overlay.counters().refused > 4_000);
}

#[test]
fn a_walk_that_claims_endless_hops_is_cut() {
    let mut overlay = settled();
    let endless = OverlayMessage::ForwardJoin { who: contact(8), ttl: 255, hops: 1, urgent: false };
    let fx = says(&mut overlay, 1, endless);
    let ttl = fx.iter().find_map(|effect| match effect {
        OverlayEffect::Send(_, OverlayMessage::ForwardJoin { ttl, .. }) => Some(*ttl),
        _ => None,
    });
    assert!(ttl.is_some_and(|ttl| ttl < 64), "{fx:?}");
}

#[test]
fn a_sample_of_a_million_entries_costs_as_much_as_a_small_one() {
    let mut overlay = settled();
    let sample = (0..100_000).map(|n| Aged { contact: contact(100 + n), age: 0 }).collect();
    let fx = says(&mut overlay, 1, OverlayMessage::Shuffle { token: 1, ttl: 0, sample });
    let answered = fx.iter().any(|effect| {
        matches!(effect, OverlayEffect::Send(_, OverlayMessage::ShuffleReply { sample, .. }) if sample.len() <= 64)
    });
    assert!(answered);
    assert_eq!(overlay.passive().count(), OverlayConfig::default().passive);
}

#[test]
fn addresses_without_end_are_neither_kept_nor_passed_on() {
    let mut overlay = settled();
    let endless = Contact { id: contact(9).id, address: "a".repeat(1_000_000) };
    let sample = vec![Aged { contact: endless.clone(), age: 0 }];
    let fx = says(&mut overlay, 1, OverlayMessage::Shuffle { token: 1, ttl: 3, sample });
    let passed_on = fx.iter().find_map(|effect| match effect {
        OverlayEffect::Send(_, OverlayMessage::Shuffle { sample, .. }) => Some(sample.len()),
        _ => None,
    });
    assert_eq!(passed_on, Some(0));
    let walk = OverlayMessage::ForwardJoin { who: endless.clone(), ttl: 5, hops: 1, urgent: true };
    assert_eq!(says(&mut overlay, 1, walk), []);
    says(&mut overlay, 1, OverlayMessage::Disconnect { instead: Some(endless.clone()) });
    tell(&mut overlay, OverlayInput::LinkOpen { contact: endless, dialed: None, apart: false });
    assert!(overlay.passive().all(|id| id != contact(9).id));
}
