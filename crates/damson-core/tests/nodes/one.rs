//! Waiting for one member: what it has, and whether it has all.

use damson_core::node::{WaitError, Waited};
use damson_core::replica::Slot;

use crate::bus::{Bus, Rows, id, scope};

/// Three linked nodes that compare by themselves so seldom that it does not happen here.
fn three() -> Bus {
    let mut bus = Bus::default();
    for n in [1, 2, 3] {
        let mut config = damson_core::node::Config::new(format!("n{n}"), "test");
        config.sync.interval_ms = 10_000_000;
        bus.start_with(config, n, Rows::new(), None, u64::from(n));
    }
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        bus.link(a, b);
    }
    bus.run(3_000);
    bus
}

/// A write of the first that reaches nobody.
fn lose_a_write(bus: &mut Bus) {
    bus.deaf.extend([(0, 1), (0, 2)]);
    bus.write(0, |tx| _ = tx.add(&Slot::key("n"), 1).unwrap());
    bus.deaf.clear();
}

fn counted(bus: &mut Bus, at: usize) -> Option<i64> {
    let wall_ms = bus.now().wall_ms;
    bus.node(at).replica(&scope()).and_then(|replica| replica.view(wall_ms).counter(&Slot::key("n")))
}

#[test]
fn a_pull_brings_what_the_member_has_and_only_then_ends() {
    let mut bus = three();
    lose_a_write(&mut bus);
    // The third has heard of nothing, the second pulls from the first.
    bus.deaf.insert((1, 2));
    let wait = bus.call(1, |node, now, fx| node.await_pull(&scope(), id(1), 5_000, now, fx)).unwrap();
    assert!(bus.ended.is_empty() && counted(&mut bus, 1).is_none());
    bus.run(200);
    assert_eq!(bus.ended, [(1, wait, Waited::Reached { had: 2 })]);
    assert_eq!((counted(&mut bus, 1), counted(&mut bus, 2)), (Some(1), None));
}

#[test]
fn a_push_ends_when_the_member_says_that_it_has_all_also_where_the_first_question_was_lost() {
    let mut bus = three();
    lose_a_write(&mut bus);
    let held = bus.node(0).held(&scope());
    assert_eq!(held.len(), 1);
    bus.deaf.insert((0, 1));
    let push = |node: &mut damson_core::node::Node, now, fx: &mut Vec<_>| {
        node.await_push(held[0].clone(), id(2), 5_000, now, fx)
    };
    let wait = bus.call(0, push).unwrap();
    bus.run(50);
    bus.deaf.clear();
    assert!(bus.ended.is_empty());
    bus.run(500);
    assert_eq!(bus.ended, [(0, wait, Waited::Reached { had: 2 })]);
    assert_eq!(counted(&mut bus, 1), Some(1));
}

#[test]
fn a_member_that_does_not_answer_is_waited_for_no_longer_than_was_said_and_others_do_not_count() {
    let mut bus = three();
    lose_a_write(&mut bus);
    bus.deaf.extend([(1, 0), (0, 1)]);
    let pull = bus.call(1, |node, now, fx| node.await_pull(&scope(), id(1), 1_000, now, fx)).unwrap();
    let held = bus.node(0).held(&scope()).remove(0);
    let push = bus.call(0, |node, now, fx| node.await_push(held, id(2), 1_000, now, fx)).unwrap();
    bus.run(900);
    assert!(bus.ended.is_empty());
    bus.run(200);
    let timed_out = Waited::TimedOut { had: 1, wanted: 2 };
    bus.ended.sort_by_key(|(at, ..)| *at);
    assert_eq!(bus.ended, [(0, push, timed_out), (1, pull, timed_out)]);
}

#[test]
fn who_is_no_partner_is_refused_at_once() {
    let mut bus = three();
    let mut pull =
        |from: u8| bus.call(0, |node, now, fx| node.await_pull(&scope(), id(from), 1_000, now, fx));
    assert_eq!(pull(1), Err(WaitError::NoSuchMember), "oneself");
    assert_eq!(pull(9), Err(WaitError::NoSuchMember));
    let none = bus.call(0, |node, now, fx| node.await_push(Vec::new(), id(2), 1_000, now, fx));
    assert_eq!(none, Err(WaitError::Scopes));
    assert_eq!(bus.node(0).held(&scope()), Vec::<Vec<_>>::new());
}
