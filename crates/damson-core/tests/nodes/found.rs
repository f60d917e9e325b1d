//! Faults that were found by reading, each as the situation in which it showed.

use damson_core::membership::{Member, MemberState};
use damson_core::node::{Config, Event, Input};
use damson_core::replica::{Slot, Tx};
use damson_core::scope::ScopeName;
use damson_core::wire::{Message, SyncMessage};

use crate::bus::{Bus, Rows, id, scope};

fn count(n: i64) -> impl FnOnce(&mut Tx<'_>) {
    move |tx| _ = tx.add(&Slot::key("n"), n).unwrap()
}

fn counter(bus: &mut Bus, at: usize) -> i64 {
    let wall_ms = bus.now().wall_ms;
    bus.node(at).replica(&scope()).map_or(0, |r| r.view(wall_ms).counter(&Slot::key("n")).unwrap_or(0))
}

fn two() -> (Bus, usize, usize) {
    let mut bus = Bus::default();
    let a = bus.start(1, Rows::new(), None, 1);
    let b = bus.start(2, Rows::new(), None, 2);
    (bus, a, b)
}

/// Stops `b`, takes an image, and lets the original go on from it to count once more. Returns mark and image.
fn copied_while_the_original_counts(bus: &mut Bus, a: usize, b: usize) -> (bytes::Bytes, Rows) {
    let mark = bus.node(b).stop_mark();
    let image = bus.crash(b);
    let original = bus.start(2, image.clone(), Some(&mark), 3);
    bus.link(original, a);
    bus.run(1_000);
    bus.write(original, count(1));
    bus.run(2_000);
    bus.crash(original);
    (mark, image)
}

#[test]
fn a_scope_first_written_by_a_copy_and_by_its_original_loses_nothing() {
    let (mut bus, a, b) = two();
    bus.link(a, b);
    bus.run(2_000);
    let (mark, image) = copied_while_the_original_counts(&mut bus, a, b);
    let copy = bus.start(2, image, Some(&mark), 4);
    bus.write(copy, count(10));
    bus.link(copy, a);
    bus.run(10_000);
    assert_eq!((counter(&mut bus, a), counter(&mut bus, copy)), (11, 11));
    assert!(!bus.events[copy].iter().any(|event| matches!(event, Event::Diverged { .. })));
}

#[test]
fn unconfirmed_writes_leave_only_when_their_confirmation_is_on_disk() {
    let (mut bus, a, b) = two();
    bus.link(a, b);
    bus.write(b, count(1));
    bus.run(2_000);
    let mark = bus.node(b).stop_mark();
    let rows = bus.crash(b);
    let b = bus.start(2, rows, Some(&mark), 3);
    bus.write(b, count(10));
    bus.hold_disk = true;
    bus.link(b, a);
    bus.run(2_000);
    assert_eq!(counter(&mut bus, a), 1, "the disk has not answered yet");
    assert_eq!(bus.node(b).peers().count(), 0);
    bus.hold_disk = false;
    for (at, ticket) in std::mem::take(&mut bus.awaited) {
        bus.input(at, Input::Persisted { ticket });
    }
    bus.run(2_000);
    assert_eq!((counter(&mut bus, a), counter(&mut bus, b)), (11, 11));
}

#[test]
fn a_pair_links_again_although_one_end_has_not_noticed_that_the_link_is_gone() {
    let (mut bus, a, b) = two();
    let (end, _) = bus.link(a, b);
    bus.run(1_000);
    bus.input(a, Input::LinkDown { link: end });
    bus.link(a, b);
    bus.run(1_000);
    assert_eq!((bus.node(a).peers().count(), bus.node(b).peers().count()), (1, 1));
    bus.write(a, count(3));
    bus.run(1_000);
    assert_eq!(counter(&mut bus, b), 3);
}

#[test]
fn many_scopes_reach_a_new_node_within_seconds_and_before_it_is_ready() {
    let mut bus = Bus::default();
    let a = bus.start(1, Rows::new(), None, 1);
    for n in 0..100 {
        let now = bus.now();
        let name: ScopeName = format!("s{n}").parse().unwrap();
        bus.node(a).write(&name, now, &mut Vec::new(), |tx| tx.add(&Slot::key("n"), 1)).unwrap();
    }
    let config = Config { contacts: vec!["a".into()], ..Config::new("n2", "test") };
    let b = bus.start_with(config, 2, Rows::new(), None, 2);
    bus.link(b, a);
    bus.run(3_000);
    let full = |replica: &&damson_core::replica::Replica| !replica.name().is_system() && replica.keys() == 1;
    assert_eq!(bus.node(b).replicas().filter(full).count(), 100);
    assert!(bus.node(b).is_ready());
}

#[test]
fn a_long_log_of_removals_is_told_in_parts() {
    let (mut bus, a, b) = two();
    for n in 0..20_000 {
        let key = format!("{n:0>450}");
        bus.write(a, |tx| {
            tx.put_register(&Slot::key(key.clone()), "".into(), None).unwrap();
            tx.remove(&Slot::key(key));
        });
    }
    bus.sent.clear();
    bus.link(b, a);
    bus.run(2_000);
    assert_eq!(bus.node(a).digest(), bus.node(b).digest());
    let body = |message: &Message| match message {
        Message::Sync(SyncMessage::Chunk { body, .. }) => body.len(),
        _ => 0,
    };
    let largest = bus.sent.iter().map(|(_, message)| body(message)).max().unwrap();
    assert!(largest < 1 << 20, "a part of {largest} bytes");
}

#[test]
fn an_absurd_incarnation_is_not_believed_and_can_be_refuted() {
    let (mut bus, a, b) = two();
    bus.link(a, b);
    bus.run(1_000);
    let member = bus.node(b).roster().get(id(1)).unwrap().clone();
    let lie = Member { incarnation: u64::MAX, state: MemberState::Dead, ..member };
    bus.write_in(b, &ScopeName::roster(), |tx| tx.put_multi(&Member::slot(id(1)), lie.encode()).unwrap());
    bus.run(5_000);
    for at in [a, b] {
        let seen = bus.node(at).roster().get(id(1)).expect("a is a member").clone();
        assert_eq!(seen.state, MemberState::Alive);
        assert!(seen.incarnation < 100);
    }
}

/// Simulator, five nodes, seed 3.
#[test]
fn what_a_copy_wrote_before_it_knew_is_not_announced_under_its_first_name() {
    let (mut bus, a, b) = two();
    bus.link(a, b);
    bus.run(2_000);
    bus.write(b, count(100));
    bus.run(2_000);
    let (mark, image) = copied_while_the_original_counts(&mut bus, a, b);
    bus.run(10_000);
    let copy = bus.start(2, image, Some(&mark), 4);
    (0..3).for_each(|_| bus.write(copy, count(10)));
    let before = bus.sent.len();
    bus.link(copy, a);
    bus.run(10_000);
    let ended = bus.events[copy].iter().find_map(|event| match event {
        Event::NewLife { ended, .. } => Some(*ended),
        _ => None,
    });
    let named =
        bus.sent[before..].iter().filter(|(from, _)| *from == copy).flat_map(|(_, message)| match message {
            Message::Have(haves) | Message::Ping(_, Some(haves)) | Message::Pong(_, Some(haves)) => {
                haves.clone()
            }
            _ => Vec::new(),
        });
    let lives: Vec<_> = named.filter(|have| have.scope == scope()).map(|have| have.actor.life).collect();
    assert!(ended.is_some_and(|ended| !lives.contains(&ended)), "{ended:?} {lives:?}");
    assert_eq!((counter(&mut bus, a), counter(&mut bus, copy)), (131, 131));
}
