//! Waiting until members have a write.

use bytes::Bytes;
use damson_core::crdt::{Actor, Life, NodeId};
use damson_core::membership::{MemberState, OverlayConfig};
use damson_core::node::{Ack, AckConfig, Config, Input, LinkId, WaitError, Waited};
use damson_core::replica::Slot;
use damson_core::wire::{Answer, Ask, Have, Message, Question, Said};

use crate::bus::{Bus, Rows, id, scope};

/// Greeted nodes, each linked with each.
pub fn mesh(bus: &mut Bus, count: u8) -> Vec<usize> {
    let nodes: Vec<usize> = (1..=count).map(|n| bus.start(n, Rows::new(), None, n.into())).collect();
    for a in &nodes {
        (0..*a).for_each(|b| _ = bus.link(*a, b));
    }
    bus.run(2_000);
    nodes
}

/// Writes, and names the write.
pub fn put(bus: &mut Bus, at: usize, key: &str, value: &str) -> Have {
    let (slot, value) = (Slot::key(key.to_owned()), value.to_owned());
    let written = bus.call(at, |node, now, fx| {
        node.write(&scope(), now, fx, |tx| tx.put_register(&slot, value.into(), None))
    });
    let batch = written.unwrap().batch.unwrap();
    Have { scope: scope(), actor: batch.actor, last: batch.last() }
}

pub fn wait(bus: &mut Bus, at: usize, write: &Have, ack: Ack, ms: u64) -> u64 {
    let write = vec![write.clone()];
    bus.call(at, |node, now, fx| node.await_ack(write, ack, Some(ms), now, fx)).unwrap()
}

pub fn end_of(bus: &Bus, at: usize, wait: u64) -> Option<Waited> {
    bus.ended.iter().find(|(node, id, _)| (*node, *id) == (at, wait)).map(|(_, _, end)| *end)
}

fn deafen(bus: &mut Bus, a: usize, b: usize) {
    bus.deaf.extend([(a, b), (b, a)]);
}

fn link_to(bus: &mut Bus, from: usize, message: &Message, link: LinkId) {
    bus.input(from, Input::Frame { link, frame: message.encode() });
}

fn ask(nonce: u64, parts: Vec<Have>) -> Message {
    Message::Ask(Ask { nonce, question: Question::Has(parts) })
}

fn part(actor: Actor, last: u64) -> Have {
    Have { scope: scope(), actor, last }
}

/// What a node has said in answers, since then.
fn answers(bus: &Bus, by: usize, since: usize) -> Vec<Answer> {
    let said = bus.sent[since..].iter().filter(|(from, _)| *from == by);
    let answers = said.filter_map(|(_, message)| match message {
        Message::Answer(answer) => Some(answer.clone()),
        _ => None,
    });
    answers.collect()
}

#[test]
fn each_kind_of_acknowledgement_counts_members_and_the_writer() {
    let mut bus = Bus::default();
    let nodes = mesh(&mut bus, 5);
    let write = put(&mut bus, nodes[0], "k", "v");
    for (ack, least) in [(Ack::Local, 1), (Ack::N(1), 1), (Ack::N(2), 2), (Ack::Majority, 3), (Ack::All, 5)] {
        let wait = wait(&mut bus, nodes[0], &write, ack, 1_000);
        let Some(Waited::Reached { had }) = end_of(&bus, nodes[0], wait) else { panic!("{ack:?}") };
        assert!((least..=5).contains(&had), "{ack:?}: {had}");
    }
}

#[test]
fn a_time_out_says_how_many_had_it_and_only_the_askers_clock_ends_a_wait() {
    let mut bus = Bus::default();
    let nodes = mesh(&mut bus, 5);
    [2, 3, 4].into_iter().for_each(|at| deafen(&mut bus, 0, at));
    let write = put(&mut bus, nodes[0], "k", "v");
    let majority = wait(&mut bus, nodes[0], &write, Ack::N(5), 500);
    bus.run(450);
    assert_eq!(end_of(&bus, nodes[0], majority), None);
    bus.run(50);
    let end = end_of(&bus, nodes[0], majority);
    // The writer, its one neighbour, and no member twice, however often they are asked.
    assert!(matches!(end, Some(Waited::TimedOut { had: 2, wanted: 5 })), "{end:?}");
}

/// The others have been judged dead long ago.
#[test]
fn the_smaller_part_of_a_cluster_has_no_majority_and_all_is_all_that_live() {
    let mut bus = Bus::default();
    let nodes = mesh(&mut bus, 5);
    for a in [0, 1] {
        [2, 3, 4].into_iter().for_each(|b| deafen(&mut bus, a, b));
    }
    bus.run(60_000);
    let dead = bus.node(0).roster().iter().filter(|m| m.state == MemberState::Dead).count();
    assert_eq!(dead, 3);
    let write = put(&mut bus, nodes[0], "k", "v");
    let majority = wait(&mut bus, nodes[0], &write, Ack::Majority, 2_000);
    let all = wait(&mut bus, nodes[0], &write, Ack::All, 2_000);
    bus.run(2_500);
    assert_eq!(end_of(&bus, nodes[0], majority), Some(Waited::TimedOut { had: 2, wanted: 3 }));
    assert_eq!(end_of(&bus, nodes[0], all), Some(Waited::Reached { had: 2 }));
    let other = put(&mut bus, nodes[3], "k", "w");
    let majority = wait(&mut bus, nodes[3], &other, Ack::Majority, 2_000);
    bus.run(2_500);
    assert!(matches!(end_of(&bus, nodes[3], majority), Some(Waited::Reached { had: 3 })));
}

#[test]
fn a_wait_for_all_goes_on_without_a_member_that_dies_and_one_for_a_majority_when_one_comes_back() {
    let mut bus = Bus::default();
    let nodes = mesh(&mut bus, 3);
    [0, 1].into_iter().for_each(|at| deafen(&mut bus, at, 2));
    let write = put(&mut bus, nodes[0], "k", "v");
    let all = wait(&mut bus, nodes[0], &write, Ack::All, 60_000);
    let three = wait(&mut bus, nodes[0], &write, Ack::N(3), 120_000);
    bus.run(1_000);
    assert_eq!(end_of(&bus, nodes[0], all), None, "it lives as far as anybody knows");
    bus.run(30_000);
    assert_eq!(end_of(&bus, nodes[0], all), Some(Waited::Reached { had: 2 }));
    assert_eq!(end_of(&bus, nodes[0], three), None);
    bus.deaf.clear();
    [0, 1].into_iter().for_each(|at| _ = bus.link(at, 2));
    bus.run(5_000);
    assert_eq!(end_of(&bus, nodes[0], three), Some(Waited::Reached { had: 3 }));
}

#[test]
fn a_member_answers_only_when_the_write_is_on_its_disk() {
    let mut bus = Bus::default();
    let nodes = mesh(&mut bus, 2);
    bus.hold_disk = true;
    let write = put(&mut bus, nodes[0], "k", "v");
    let two = wait(&mut bus, nodes[0], &write, Ack::N(2), 10_000);
    bus.run(1_000);
    assert!(bus.node(1).replica(&scope()).unwrap().context().contains_range(damson_core::crdt::DotRange {
        actor: write.actor,
        first: 1,
        last: write.last
    }));
    assert_eq!(end_of(&bus, nodes[0], two), None, "it has it, and not on disk");
    let asked = std::mem::take(&mut bus.awaited);
    assert_eq!(asked.len(), 1, "the disk is asked once: {asked:?}");
    asked.into_iter().for_each(|(at, ticket)| bus.input(at, Input::Persisted { ticket }));
    assert_eq!(end_of(&bus, nodes[0], two), Some(Waited::Reached { had: 2 }));
}

#[test]
fn a_scope_in_memory_waits_for_no_disk() {
    let mut bus = Bus::default();
    let start = |bus: &mut Bus, n: u8| {
        let mut config = Config::new(format!("n{n}"), "test");
        config.stored.except.insert(scope());
        bus.start_with(config, n, Rows::new(), None, n.into())
    };
    let nodes = [1, 2].map(|n| start(&mut bus, n));
    bus.link(nodes[0], nodes[1]);
    bus.run(2_000);
    bus.hold_disk = true;
    let write = put(&mut bus, nodes[0], "k", "v");
    let two = wait(&mut bus, nodes[0], &write, Ack::N(2), 10_000);
    assert_eq!(end_of(&bus, nodes[0], two), Some(Waited::Reached { had: 2 }));
}

/// Numbers may arrive with gaps: to have the second is not to have both.
#[test]
fn a_member_has_a_write_when_it_has_all_that_the_writer_wrote_before() {
    let mut bus = Bus::default();
    let nodes = mesh(&mut bus, 2);
    deafen(&mut bus, 0, 1);
    put(&mut bus, nodes[0], "first", "v");
    bus.deaf.clear();
    let second = put(&mut bus, nodes[0], "second", "v");
    let at = bus.now().wall_ms;
    let here = |bus: &mut Bus, key: &str| {
        let slot = Slot::key(key.to_owned());
        bus.node(1).replica(&scope()).is_some_and(|replica| replica.view(at).register(&slot).is_some())
    };
    assert!(here(&mut bus, "second") && !here(&mut bus, "first"));
    let two = wait(&mut bus, nodes[0], &second, Ack::N(2), 10_000);
    assert_eq!(end_of(&bus, nodes[0], two), None);
    bus.run(3_000);
    assert!(here(&mut bus, "first"));
    assert_eq!(end_of(&bus, nodes[0], two), Some(Waited::Reached { had: 2 }));
}

#[test]
fn a_question_or_an_answer_that_is_lost_is_asked_again() {
    for lost in [(0, 1), (1, 0)] {
        let mut bus = Bus::default();
        let nodes = mesh(&mut bus, 2);
        let write = put(&mut bus, nodes[0], "k", "v");
        bus.deaf.insert(lost);
        let two = wait(&mut bus, nodes[0], &write, Ack::N(2), 5_000);
        bus.run(50);
        bus.deaf.clear();
        assert_eq!(end_of(&bus, nodes[0], two), None);
        bus.run(200);
        assert_eq!(end_of(&bus, nodes[0], two), Some(Waited::Reached { had: 2 }));
    }
}

#[test]
fn members_that_do_not_host_the_scope_are_neither_asked_nor_counted() {
    let mut bus = Bus::default();
    let start = |bus: &mut Bus, n: u8, hosts: bool| {
        let mut config = Config::new(format!("n{n}"), "test");
        config.hosted = (!hosts).then(Vec::new);
        bus.start_with(config, n, Rows::new(), None, n.into())
    };
    let nodes =
        [(1, true), (2, true), (3, false), (4, false), (5, false)].map(|(n, h)| start(&mut bus, n, h));
    for a in 0..5 {
        (0..a).for_each(|b| _ = bus.link(nodes[a], nodes[b]));
    }
    bus.run(2_000);
    let write = put(&mut bus, nodes[0], "k", "v");
    let since = bus.sent.len();
    for ack in [Ack::Majority, Ack::All] {
        let wait = wait(&mut bus, nodes[0], &write, ack, 1_000);
        assert_eq!(end_of(&bus, nodes[0], wait), Some(Waited::Reached { had: 2 }));
    }
    let three = wait(&mut bus, nodes[0], &write, Ack::N(3), 1_000);
    bus.run(1_500);
    assert_eq!(end_of(&bus, nodes[0], three), Some(Waited::TimedOut { had: 2, wanted: 3 }));
    let by_others = (2..5).flat_map(|at| answers(&bus, at, since)).count();
    assert_eq!(by_others, 0);
    let refused = bus.call(nodes[2], |node, now, fx| node.await_ack(vec![write], Ack::All, None, now, fx));
    assert_eq!(refused, Err(WaitError::NotHosted));
}

/// A ring of six with two neighbours each: three of the six hosts are nobody's neighbour of the writer.
#[test]
fn members_without_a_link_are_dialled_when_those_with_one_are_too_few() {
    let mut bus = Bus::default();
    let start = |bus: &mut Bus, n: u8| {
        let overlay = OverlayConfig { active: 2, ..OverlayConfig::default() };
        let config = Config { overlay, address: format!("n{n}"), ..Config::new(format!("n{n}"), "test") };
        bus.start_with(config, n, Rows::new(), None, n.into())
    };
    let ring: Vec<usize> = (1..=6).map(|n| start(&mut bus, n)).collect();
    (0..6).for_each(|at| _ = bus.link(ring[at], ring[(at + 1) % 6]));
    bus.run(5_000);
    assert_eq!(bus.node(ring[0]).roster().present(), 6);
    for (by, address) in std::mem::take(&mut bus.dialed) {
        bus.input(by, Input::DialFailed { address });
    }
    bus.run(5_000);
    bus.dialed.clear();
    let write = put(&mut bus, ring[0], "k", "v");
    let linked = bus.node(ring[0]).peers().count();
    let near = wait(&mut bus, ring[0], &write, Ack::N(2), 2_000);
    assert!(matches!(end_of(&bus, ring[0], near), Some(Waited::Reached { .. })));
    assert!(bus.dialed.is_empty(), "one neighbour is enough: {:?}", bus.dialed);
    let all = wait(&mut bus, ring[0], &write, Ack::All, 5_000);
    bus.run(100);
    let mut dialed: Vec<String> =
        bus.dialed.iter().filter(|(by, _)| *by == ring[0]).map(|(_, address)| address.clone()).collect();
    dialed.sort();
    dialed.dedup();
    assert_eq!(dialed.len(), 5 - linked, "{dialed:?}");
    for address in dialed {
        let at: usize = address[1..].parse::<usize>().unwrap() - 1;
        bus.link(ring[0], ring[at]);
    }
    bus.run(1_000);
    assert_eq!(end_of(&bus, ring[0], all), Some(Waited::Reached { had: 6 }));
    let guests = bus.node(ring[0]).peers().count();
    bus.run(10_000);
    assert!(bus.node(ring[0]).peers().count() < guests, "guests are shown out again");
}

#[test]
fn a_node_that_looks_for_its_cluster_is_no_majority_of_it() {
    let mut bus = Bus::default();
    let config = Config { contacts: vec!["somewhere".into()], ..Config::new("n1", "test") };
    let lone = bus.start_with(config, 1, Rows::new(), None, 1);
    bus.run(10_000);
    let write = put(&mut bus, lone, "k", "v");
    let majority = wait(&mut bus, lone, &write, Ack::Majority, 1_000);
    bus.run(1_500);
    assert_eq!(end_of(&bus, lone, majority), Some(Waited::TimedOut { had: 1, wanted: 2 }));
    let alone = bus.start(9, Rows::new(), None, 9);
    bus.run(100);
    let write = put(&mut bus, alone, "k", "v");
    let majority = wait(&mut bus, alone, &write, Ack::Majority, 1_000);
    assert_eq!(end_of(&bus, alone, majority), Some(Waited::Reached { had: 1 }), "it is a cluster of one");
}

#[test]
fn forged_answers_count_for_nothing() {
    let mut bus = Bus::default();
    let nodes = mesh(&mut bus, 3);
    [1, 2].into_iter().for_each(|at| deafen(&mut bus, 0, at));
    // A stranger's link, greeted as the fourth.
    let fourth = bus.start(4, Rows::new(), None, 4);
    let (_, at_a) = bus.link(fourth, nodes[0]);
    bus.run(1_000);
    deafen(&mut bus, 0, fourth);
    let write = put(&mut bus, nodes[0], "k", "v");
    let two = wait(&mut bus, nodes[0], &write, Ack::N(4), 60_000);
    let before = bus.node(0).ack_counters().unasked;
    let say = |bus: &mut Bus, nonce, said| link_to(bus, 0, &Message::Answer(Answer { nonce, said }), at_a);
    // Another wait's number, an answer of another kind, a number never given.
    say(&mut bus, two + 1, Said::Has);
    say(&mut bus, 0, Said::Has);
    say(&mut bus, two, Said::Much);
    say(&mut bus, two, Said::Seen(vec![0x80]));
    assert_eq!(bus.node(0).ack_counters().unasked, before + 4);
    // It was asked: its own word is believed, once.
    (0..5).for_each(|_| say(&mut bus, two, Said::Has));
    assert_eq!(bus.node(0).ack_counters().unasked, before + 8);
    assert_eq!(end_of(&bus, nodes[0], two), None);
    bus.call(0, |node, _, _| node.end_wait(two));
    say(&mut bus, two, Said::Has);
    assert_eq!(end_of(&bus, nodes[0], two), None, "nobody waits any more");
    assert_eq!(bus.node(0).waits_and_questions().0, 0);
}

#[test]
fn impossible_questions_are_refused_and_unanswerable_ones_are_bounded_and_forgotten() {
    let mut bus = Bus::default();
    let ack = AckConfig { questions_per_member_max: 100, ..AckConfig::default() };
    let a = bus.start_with(Config { ack, ..Config::new("n1", "test") }, 1, Rows::new(), None, 1);
    let b = bus.start(2, Rows::new(), None, 2);
    let (at_a, _) = bus.link(a, b);
    bus.run(1_000);
    let nobody = Actor::new(NodeId([77; 16]), Life(7));
    let foreign = Have { scope: "elsewhere".parse().unwrap(), actor: nobody, last: 1 };
    let since = bus.sent.len();
    let impossible = [vec![], vec![part(nobody, 0)], vec![part(nobody, u64::MAX)], vec![part(nobody, 1); 65]];
    for (nonce, parts) in impossible.into_iter().enumerate() {
        link_to(&mut bus, a, &ask(nonce as u64, parts), at_a);
    }
    assert_eq!(bus.node(a).ack_counters().refused, 4);
    link_to(&mut bus, a, &ask(9, vec![foreign]), at_a);
    for shares in [0, 15, 16 * 257] {
        let question = Question::Seen { scope: scope(), shares: vec![1; shares] };
        link_to(&mut bus, a, &Message::Ask(Ask { nonce: 10, question }), at_a);
    }
    assert_eq!(bus.node(a).ack_counters().refused, 7);
    for n in 0..5_000 {
        link_to(&mut bus, a, &ask(1_000 + n, vec![part(nobody, n + 1)]), at_a);
    }
    assert_eq!(bus.node(a).waits_and_questions().1, 100);
    assert_eq!(bus.node(a).ack_counters().refused, 7 + 5_000 - 99);
    assert_eq!(answers(&bus, a, since), []);
    bus.run(15_000);
    assert_eq!(bus.node(a).waits_and_questions().1, 0, "nobody has asked again");
    link_to(&mut bus, a, &ask(1, vec![part(nobody, 1)]), at_a);
    bus.input(a, Input::LinkDown { link: at_a });
    assert_eq!(bus.node(a).waits_and_questions().1, 0, "a question ends with its link");
}

#[test]
fn a_number_that_is_used_again_is_another_question() {
    let mut bus = Bus::default();
    let nodes = mesh(&mut bus, 2);
    let write = put(&mut bus, nodes[1], "k", "v");
    let (at_a, _) = bus.link(nodes[0], nodes[1]);
    bus.run(1_000);
    let since = bus.sent.len();
    let never = part(Actor::new(NodeId([77; 16]), Life(7)), 3);
    link_to(&mut bus, 0, &ask(5, vec![never.clone()]), at_a);
    link_to(&mut bus, 0, &ask(5, vec![never.clone()]), at_a);
    link_to(&mut bus, 0, &ask(5, vec![write.clone(), never]), at_a);
    assert_eq!((answers(&bus, 0, since), bus.node(0).waits_and_questions().1), (vec![], 1));
    link_to(&mut bus, 0, &ask(5, vec![write]), at_a);
    assert_eq!(answers(&bus, 0, since), [Answer { nonce: 5, said: Said::Has }]);
    assert_eq!(bus.node(0).waits_and_questions().1, 0);
}

#[test]
fn waits_are_bounded() {
    let mut bus = Bus::default();
    let ack = AckConfig { waits_max: 3, ..AckConfig::default() };
    let a = bus.start_with(Config { ack, ..Config::new("n1", "test") }, 1, Rows::new(), None, 1);
    let write = put(&mut bus, a, "k", "v");
    (0..3).for_each(|_| _ = wait(&mut bus, a, &write, Ack::N(2), 1_000));
    let again = |bus: &mut Bus| {
        bus.call(a, |node, now, fx| node.await_ack(vec![write.clone()], Ack::N(2), None, now, fx))
    };
    assert_eq!(again(&mut bus), Err(WaitError::TooMany { limit: 3 }));
    bus.run(1_500);
    assert_eq!(bus.ended.len(), 3);
    assert!(again(&mut bus).is_ok());
}

/// The copy's numbers are the original's: to ask for them by their first name would count what the others have of it.
#[test]
fn what_a_copy_has_written_is_not_acknowledged_by_those_who_have_the_originals() {
    let mut bus = Bus::default();
    let nodes = mesh(&mut bus, 2);
    put(&mut bus, nodes[1], "before", "v");
    bus.run(1_000);
    let mark = bus.node(nodes[1]).stop_mark();
    let image = bus.crash(nodes[1]);
    let original = bus.start(2, image.clone(), Some(&mark), 3);
    bus.link(original, nodes[0]);
    bus.run(1_000);
    put(&mut bus, original, "of the original", "v");
    bus.run(1_000);
    bus.crash(original);
    bus.run(3_000);

    let copy = bus.start(2, image, Some(&mark), 4);
    let write = put(&mut bus, copy, "of the copy", "v");
    let at = bus.now().wall_ms;
    let token = |bus: &mut Bus| {
        let write = write.clone();
        bus.call(copy, |node, _, _| node.token(&write.scope, write.actor, write.last))
    };
    assert_eq!(token(&mut bus), None, "its name may change");
    let two = wait(&mut bus, copy, &write, Ack::N(2), 60_000);
    bus.deaf.insert((copy, nodes[0]));
    bus.link(copy, nodes[0]);
    bus.run(500);
    assert_eq!(end_of(&bus, copy, two), None);
    bus.deaf.clear();
    bus.link(copy, nodes[0]);
    bus.run(5_000);
    assert!(matches!(end_of(&bus, copy, two), Some(Waited::Reached { had: 2 })));
    let there = bus.node(nodes[0]).replica(&scope()).unwrap();
    let slot = Slot::key("of the copy");
    assert_eq!(there.view(at).register(&slot), Some(Bytes::from("v")));
    let token = token(&mut bus).unwrap();
    assert_ne!(token.actor(), write.actor);
    assert_eq!(bus.node(nodes[0]).roster().get(id(2)).map(|m| m.state), Some(MemberState::Alive));
}
