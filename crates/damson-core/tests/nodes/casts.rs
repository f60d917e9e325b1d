//! Messages on a tag: once to everybody who listens, whatever the links do, or told as lost.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use damson_core::broadcast::BroadcastConfig;
use damson_core::casts::{CAST_BYTES_MAX, Cast, CastError, Tag};
use damson_core::crdt::{Actor, Life};
use damson_core::node::{Config, Input};
use damson_core::wire::{Have, Message};
use rand_chacha::ChaCha8Rng;
use rand_core::SeedableRng;

use crate::bus::{Bus, Rows, id};

fn tag() -> Tag {
    Tag::new("chat").unwrap()
}

fn named() -> damson_core::scope::ScopeName {
    "~cast:chat".parse().unwrap()
}

/// So many nodes; those with these numbers are linked and have been for a while.
fn linked(count: u8, links: &[(usize, usize)], config: impl Fn(Config) -> Config) -> Bus {
    let mut bus = Bus::default();
    for n in 1..=count {
        let config = config(Config::new(format!("n{n}"), "test"));
        bus.start_with(config, n, Rows::new(), None, u64::from(n));
    }
    links.iter().for_each(|(a, b)| _ = bus.link(*a, *b));
    bus.run(5_000);
    bus
}

/// Logs that hold this many payloads.
fn short_of_memory(log_max: usize) -> impl Fn(Config) -> Config {
    move |config| Config { broadcast: BroadcastConfig { log_max, ..BroadcastConfig::default() }, ..config }
}

fn listen(bus: &mut Bus, nodes: &[usize]) {
    nodes.iter().for_each(|at| bus.node(*at).listen(tag(), true));
}

fn cast(bus: &mut Bus, at: usize, body: impl Into<Bytes>) -> u64 {
    bus.call(at, |node, now, fx| node.cast(&tag(), body.into(), now, fx)).unwrap()
}

/// The numbers that a node was told, by their senders, in the order in which they came.
fn heard(bus: &Bus, at: usize) -> BTreeMap<Actor, Vec<u64>> {
    let mut heard: BTreeMap<Actor, Vec<u64>> = BTreeMap::new();
    let told = bus.told.iter().filter(|(to, ..)| *to == at);
    told.for_each(|(_, from, number, _)| heard.entry(*from).or_default().push(*number));
    heard
}

#[test]
fn casts_that_are_lost_doubled_and_out_of_order_are_heard_once_by_all() {
    let mut bus = linked(4, &[(0, 1), (1, 2), (2, 3), (3, 0)], |config| config);
    listen(&mut bus, &[0, 1, 2, 3]);
    bus.astray = Some(ChaCha8Rng::seed_from_u64(5));
    for round in 0..100_u32 {
        for at in [0, 3] {
            cast(&mut bus, at, round.to_be_bytes().to_vec());
            cast(&mut bus, at, vec![7; 100]);
        }
        bus.run(50);
    }
    bus.astray = None;
    bus.run(20_000);
    for at in 0..4 {
        let heard = heard(&bus, at);
        assert_eq!(heard.len(), 2, "both senders");
        for mut numbers in heard.into_values() {
            numbers.sort_unstable();
            assert_eq!(numbers, (1..=200).collect::<Vec<u64>>(), "node {at}");
        }
    }
    assert_eq!(bus.lost, []);
    let says = bus.told.iter().find(|(at, _, number, _)| *at == 1 && *number == 199).unwrap();
    assert_eq!(says.3, Bytes::copy_from_slice(&99_u32.to_be_bytes()));
}

#[test]
fn who_does_not_listen_passes_on_and_is_told_nothing() {
    let mut bus = linked(3, &[(0, 1), (1, 2)], |config| config);
    listen(&mut bus, &[2]);
    cast(&mut bus, 0, "x");
    bus.run(100);
    assert_eq!(heard(&bus, 2).len(), 1);
    assert_eq!((heard(&bus, 0).len(), heard(&bus, 1).len()), (0, 0));
    listen(&mut bus, &[1]);
    cast(&mut bus, 0, "y");
    assert_eq!(heard(&bus, 1).into_values().next(), Some(vec![2]), "from then on");
    bus.node(2).listen(tag(), false);
    cast(&mut bus, 0, "z");
    assert_eq!(heard(&bus, 2).into_values().next(), Some(vec![1, 2]), "and no longer");
    assert_eq!(bus.lost, []);
}

#[test]
fn what_nobody_can_give_any_more_is_told_as_lost_and_begins_no_comparison() {
    let mut bus = linked(2, &[(0, 1)], short_of_memory(4));
    listen(&mut bus, &[1]);
    cast(&mut bus, 0, "1");
    bus.deaf.insert((0, 1));
    (2..=20).for_each(|number| _ = cast(&mut bus, 0, format!("{number}")));
    bus.deaf.clear();
    bus.sent.clear();
    cast(&mut bus, 0, "21");
    bus.run(6_000);
    let heard: BTreeSet<u64> = heard(&bus, 1).into_values().flatten().collect();
    assert_eq!(heard, BTreeSet::from([1, 18, 19, 20, 21]), "what the log still had, after all");
    let lost: Vec<_> = bus.lost.iter().map(|(at, _, first, last)| (*at, *first, *last)).collect();
    assert_eq!(lost, [(1, 2, 17)]);
    let compares = |message: &Message| matches!(message, Message::Sync(_));
    assert!(!bus.sent.iter().any(|(_, message)| compares(message)), "{:?}", bus.sent);
    let counted = bus.node(1).cast_counters();
    assert_eq!(counted.lost, 16);
    assert!((2..=12).contains(&counted.asked), "once for what came, and a few times in vain: {counted:?}");
}

#[test]
fn the_last_casts_are_missed_too_when_none_follows() {
    let mut bus = linked(2, &[(0, 1)], short_of_memory(1));
    listen(&mut bus, &[1]);
    cast(&mut bus, 0, "1");
    bus.deaf.insert((0, 1));
    (2..=4).for_each(|number| _ = cast(&mut bus, 0, format!("{number}")));
    // Something else takes their place in the log.
    bus.write(0, |tx| _ = tx.add(&damson_core::replica::Slot::key("n"), 1));
    bus.deaf.clear();
    // Another link: it begins with announcements.
    bus.link(0, 1);
    bus.run(6_000);
    let lost: Vec<_> = bus.lost.iter().map(|(at, _, first, last)| (*at, *first, *last)).collect();
    assert_eq!(lost, [(1, 2, 4)]);
}

#[test]
fn who_starts_late_hears_from_then_on_and_of_no_loss() {
    let mut bus = linked(2, &[(0, 1)], short_of_memory(10));
    (1..=300).for_each(|number| _ = cast(&mut bus, 0, format!("{number}")));
    bus.run(1_000);
    let late = bus.start(3, Rows::new(), None, 3);
    listen(&mut bus, &[late]);
    bus.link(late, 0);
    bus.run(3_000);
    assert_eq!(bus.told, [], "nothing of what was before");
    assert_eq!(cast(&mut bus, 0, "301"), 301);
    bus.run(1_000);
    assert_eq!(heard(&bus, late).into_values().next().unwrap().last(), Some(&301));
    assert_eq!(bus.lost, []);
}

#[test]
fn another_process_of_a_member_begins_a_new_stream() {
    let mut bus = linked(2, &[(0, 1)], |config| config);
    listen(&mut bus, &[1]);
    assert_eq!((cast(&mut bus, 0, "a"), cast(&mut bus, 0, "b")), (1, 2));
    let rows = bus.crash(0);
    bus.run(2_000);
    let again = bus.start(1, rows, None, 99);
    bus.link(again, 1);
    bus.run(5_000);
    assert_eq!(cast(&mut bus, again, "c"), 1);
    let heard = heard(&bus, 1);
    assert_eq!(heard.len(), 2, "two processes");
    assert!(heard.keys().all(|from| from.node == id(1)));
    assert_eq!(heard.into_values().map(|numbers| numbers.len()).sum::<usize>(), 3);
    assert_eq!(bus.lost, []);
}

#[test]
fn casts_that_cannot_be_are_counted_and_dropped() {
    let mut bus = linked(2, &[(0, 1)], |config| config);
    listen(&mut bus, &[0, 1]);
    let (_, at_1) = bus.link(0, 1);
    let from = Actor::new(id(9), Life(1));
    let sound = Cast { from, number: 1, body: "x".into() };
    let frame = |scope: &str, cast: Bytes| {
        Message::Cast { scope: scope.parse().unwrap(), cast: cast.to_vec(), round: 1 }.encode()
    };
    let far = Cast { number: u64::MAX, ..sound.clone() };
    let none = Cast { number: 0, ..sound.clone() };
    let long = Cast { body: vec![0; CAST_BYTES_MAX + 1].into(), ..sound.clone() };
    let before = bus.node(1).counters().malformed;
    let forged = [
        frame("app", sound.encode()),
        frame("~roster", sound.encode()),
        frame("~cast:", sound.encode()),
        frame("~cast:chat", Bytes::from_static(b"short")),
        frame("~cast:chat", far.encode()),
        frame("~cast:chat", none.encode()),
        frame("~cast:chat", long.encode()),
        Message::Push { scope: named(), batches: vec![0x80], round: 1 }.encode(),
    ];
    let count = forged.len() as u64;
    forged.into_iter().for_each(|frame| bus.input(1, Input::Frame { link: at_1, frame }));
    assert_eq!(bus.node(1).counters().malformed - before, count);
    assert_eq!(bus.told.len(), 0);
    // An announcement without end costs nothing and is not waited for.
    let have = Message::Have(vec![Have { scope: named(), actor: from, last: u64::MAX }]).encode();
    bus.input(1, Input::Frame { link: at_1, frame: have });
    bus.run(2_000);
    assert_eq!(bus.node(1).cast_counters().refused, 1);
    assert!(bus.node(1).replica(&named()).is_none());
    bus.input(1, Input::Frame { link: at_1, frame: frame("~cast:chat", sound.encode()) });
    assert_eq!((bus.told.len(), bus.lost.len()), (1, 0));
}

#[test]
fn own_casts_have_limits_and_system_names_are_nobodys_scopes() {
    let mut bus = linked(1, &[], |config| config);
    let long = bus.call(0, |node, now, fx| node.cast(&tag(), vec![0; CAST_BYTES_MAX + 1].into(), now, fx));
    assert_eq!(long, Err(CastError::TooLarge { got: CAST_BYTES_MAX + 1, limit: CAST_BYTES_MAX }));
    let written = bus.call(0, |node, now, fx| node.write(&named(), now, fx, |_| Ok(())).map(|_| ()));
    assert!(written.is_err(), "casts are no state");
    listen(&mut bus, &[0]);
    assert_eq!(cast(&mut bus, 0, vec![1; CAST_BYTES_MAX]), 1, "numbers are of what was sent");
    assert_eq!(bus.told.len(), 1, "our own are heard too");
}
