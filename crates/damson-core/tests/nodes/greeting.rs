//! Who is let in, who is told what, and what leaves a node before that.

use damson_core::node::{Config, Event, Input, LinkId};
use damson_core::replica::{Slot, Tx};
use damson_core::wire::{Message, Refusal};

use crate::bus::{Bus, Rows, id, scope};

fn count(n: i64) -> impl FnOnce(&mut Tx<'_>) {
    move |tx| _ = tx.add(&Slot::key("n"), n).unwrap()
}

fn counter(bus: &mut Bus, at: usize) -> i64 {
    let wall_ms = bus.now().wall_ms;
    bus.node(at).replica(&scope()).map_or(0, |r| r.view(wall_ms).counter(&Slot::key("n")).unwrap_or(0))
}

fn refusals(bus: &Bus, at: usize) -> Vec<Refusal> {
    let cause = |event: &Event| match event {
        Event::Refused { cause, by_peer: false, .. } => Some(*cause),
        _ => None,
    };
    bus.events[at].iter().filter_map(cause).collect()
}

#[test]
fn nothing_but_greetings_leaves_a_node_before_it_is_welcomed() {
    let mut bus = Bus::default();
    let a = bus.start(1, Rows::new(), None, 1);
    bus.write(a, count(1));
    bus.input(a, Input::LinkUp { link: LinkId(99), peer: id(2), dialed: None });
    bus.write(a, count(1));
    bus.run(2_000);
    let by_a: Vec<&Message> =
        bus.sent.iter().filter(|(at, _)| *at == a).map(|(_, message)| message).collect();
    assert!(!by_a.is_empty() && by_a.iter().all(|message| matches!(message, Message::Hello(_))), "{by_a:?}");
}

#[test]
fn two_nodes_greet_each_other_and_agree() {
    let mut bus = Bus::default();
    let a = bus.start(1, Rows::new(), None, 1);
    let b = bus.start(2, Rows::new(), None, 2);
    bus.write(a, count(1));
    bus.link(a, b);
    bus.write(b, count(2));
    bus.run(3_000);
    assert_eq!((counter(&mut bus, a), counter(&mut bus, b)), (3, 3));
    assert_eq!(bus.node(a).digest(), bus.node(b).digest());
    assert_eq!(bus.node(a).roster().present(), 2);
}

#[test]
fn a_node_of_another_realm_is_refused() {
    let mut bus = Bus::default();
    let a = bus.start(1, Rows::new(), None, 1);
    let b = bus.start_with(Config::new("n2", "other"), 2, Rows::new(), None, 2);
    bus.write(a, count(1));
    bus.link(a, b);
    bus.run(2_000);
    assert!(refusals(&bus, a).contains(&Refusal::Realm) || refusals(&bus, b).contains(&Refusal::Realm));
    assert_eq!(counter(&mut bus, b), 0);
}

#[test]
fn a_second_live_process_with_the_same_id_is_refused_and_a_fast_restart_is_not() {
    let mut bus = Bus::default();
    let a = bus.start(1, Rows::new(), None, 1);
    let b = bus.start(2, Rows::new(), None, 2);
    bus.link(b, a);
    bus.run(1_000);
    let twin = bus.start(2, Rows::new(), None, 3);
    bus.link(twin, a);
    bus.run(2_000);
    assert_eq!(refusals(&bus, a), [Refusal::DuplicateId]);
    assert!(bus.node(twin).is_duplicate() && !bus.node(twin).is_ready());
    // The first process dies without a word; a's link to it looks open still.
    let rows = bus.crash(b);
    let again = bus.start(2, rows, None, 4);
    bus.link(again, a);
    bus.run(2_000);
    assert_eq!(refusals(&bus, a), [Refusal::DuplicateId], "the restart is let in");
    bus.write(again, count(7));
    bus.run(2_000);
    assert_eq!(counter(&mut bus, a), 7);
}

#[test]
fn a_clean_start_goes_on_and_a_copy_is_told_that_it_is_one() {
    let mut bus = Bus::default();
    let a = bus.start(1, Rows::new(), None, 1);
    let b = bus.start(2, Rows::new(), None, 2);
    bus.link(b, a);
    bus.write(b, count(5));
    bus.run(2_000);
    let life = bus.node(b).life();
    let mark = bus.node(b).stop_mark();
    let image = bus.crash(b);
    bus.run(5_000);

    let original = bus.start(2, image.clone(), Some(&mark), 5);
    assert_eq!(bus.node(original).life(), life);
    bus.link(original, a);
    bus.write(original, count(10));
    bus.run(2_000);
    assert_eq!((counter(&mut bus, a), bus.node(original).life()), (15, life));
    bus.crash(original);
    bus.run(5_000);

    let copy = bus.start(2, image, Some(&mark), 6);
    bus.write(copy, count(100));
    bus.write(copy, |tx| tx.put_register(&Slot::key("of-the-copy"), "1".into(), None).unwrap());
    assert_eq!(counter(&mut bus, copy), 105);
    bus.link(copy, a);
    bus.run(3_000);
    assert_ne!(bus.node(copy).life(), life);
    assert_eq!((counter(&mut bus, a), counter(&mut bus, copy)), (115, 115));
    assert_eq!(bus.node(a).digest(), bus.node(copy).digest());
    let wall_ms = bus.now().wall_ms;
    let replica = bus.node(a).replica(&scope()).unwrap();
    assert_eq!(replica.view(wall_ms).register(&Slot::key("of-the-copy")).as_deref(), Some(&b"1"[..]));
}

#[test]
fn damage_on_disk_makes_a_node_begin_empty_and_take_everything_from_its_peers() {
    let mut bus = Bus::default();
    let a = bus.start(1, Rows::new(), None, 1);
    let b = bus.start(2, Rows::new(), None, 2);
    bus.link(b, a);
    bus.write(b, count(5));
    bus.write(a, count(6));
    bus.run(2_000);
    let mark = bus.node(b).stop_mark();
    let mut rows = bus.crash(b);
    bus.run(5_000);
    let victim =
        rows.keys().find(|(table, _)| *table == damson_core::persist::Table::Contexts).unwrap().clone();
    rows.remove(&victim);
    let again = bus.start(2, rows, Some(&mark), 7);
    assert_eq!(counter(&mut bus, again), 0, "what is damaged is not believed");
    bus.link(again, a);
    bus.run(3_000);
    assert_eq!((counter(&mut bus, a), counter(&mut bus, again)), (11, 11));
}
