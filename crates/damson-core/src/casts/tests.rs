use bytes::Bytes;
use damson_crdt::Life;

use super::*;

fn actor(n: u8, boot: u64) -> Actor {
    Actor::new(NodeId([n; 16]), Life(boot))
}

fn tag() -> Tag {
    Tag::new("chat").unwrap()
}

fn at(ms: u64) -> Time {
    Time(0).plus_ms(ms)
}

/// One that has had neighbours for long.
fn settled() -> Casts {
    let mut casts = Casts::new(actor(1, 1));
    casts.neighbor_up(at(0));
    casts
}

fn have(from: Actor, last: u64) -> Have {
    Have { scope: tag().scope().clone(), actor: from, last }
}

#[test]
fn a_number_is_new_once_and_what_lies_between_is_missing() {
    let (mut casts, from, now) = (settled(), actor(2, 7), at(10_000));
    assert_eq!(casts.take_in(&tag(), from, 1, now), Taken::New { lost: vec![] });
    assert_eq!(casts.take_in(&tag(), from, 4, now), Taken::New { lost: vec![] });
    assert_eq!(casts.take_in(&tag(), from, 4, now), Taken::Known);
    assert_eq!(casts.first_missing(tag().scope(), from, 4), Some(2));
    assert_eq!(casts.give_up(&tag(), from, 9), Some((2, 3)));
    assert_eq!(casts.first_missing(tag().scope(), from, 4), None);
    assert_eq!(casts.first_missing(tag().scope(), from, 9), Some(5));
    assert_eq!(casts.take_in(&tag(), from, 3, now), Taken::New { lost: vec![] }, "late, and still once");
    assert_eq!(casts.take_in(&tag(), from, 3, now), Taken::Known);
    assert_eq!(casts.counters().lost, 2);
}

#[test]
fn who_is_new_begins_where_its_neighbours_are_and_misses_nothing_before() {
    let mut casts = Casts::new(actor(1, 1));
    casts.neighbor_up(at(0));
    let from = actor(2, 7);
    casts.begin_at(&[have(from, 1_000)], at(20));
    assert_eq!(casts.first_missing(tag().scope(), from, 1_000), None);
    assert_eq!(casts.take_in(&tag(), from, 1_002, at(30)), Taken::New { lost: vec![] });
    assert_eq!(casts.give_up(&tag(), from, 1_002), Some((1_001, 1_001)));
    // What is announced meanwhile has just begun, or nobody has heard of it yet.
    let young = actor(4, 7);
    casts.announced(&[have(young, 5)], at(20));
    assert_eq!(casts.first_missing(tag().scope(), young, 5), Some(1));
    assert_eq!(casts.give_up(&tag(), young, 5), None, "it may be older than we are");
    // Later on, a stream that was never heard of before has begun meanwhile.
    let late = actor(3, 7);
    casts.begin_at(&[have(late, 5)], at(10_000));
    casts.announced(&[have(late, 5)], at(10_000));
    assert_eq!(casts.first_missing(tag().scope(), late, 5), Some(1));
    assert_eq!(casts.give_up(&tag(), late, 5), Some((1, 5)));
}

#[test]
fn another_process_of_the_same_node_begins_again() {
    let (mut casts, now) = (settled(), at(10_000));
    assert_eq!(casts.take_in(&tag(), actor(2, 7), 1, now), Taken::New { lost: vec![] });
    assert_eq!(casts.take_in(&tag(), actor(2, 8), 1, now), Taken::New { lost: vec![] });
    // Of many restarts the silent ones are not kept.
    for boot in 9..200 {
        casts.take_in(&tag(), actor(2, boot), 1, at(boot * EARLIER_MS));
    }
    assert!(casts.streams.len() <= 4, "{} streams", casts.streams.len());
}

#[test]
fn too_many_holes_are_told_as_lost_and_streams_of_one_member_are_bounded() {
    let (mut casts, from, now) = (settled(), actor(2, 7), at(10_000));
    let mut lost = 0;
    for number in (2..=2_000).step_by(2) {
        let Taken::New { lost: told } = casts.take_in(&tag(), from, number, now) else { panic!("{number}") };
        lost += told.iter().map(|(first, last)| last - first + 1).sum::<u64>();
    }
    assert!((900..1_000).contains(&lost), "{lost} of 1,000");
    for n in 0..3 * TAGS_MAX {
        casts.take_in(&Tag::new(&format!("t{n}")).unwrap(), from, 1, at(10_000 + n as u64));
    }
    assert_eq!(casts.streams.len(), TAGS_MAX);
    assert_eq!(casts.first_missing(Tag::new("t3000").unwrap().scope(), from, 2), Some(2), "the latest stay");
}

#[test]
fn numbers_that_nobody_reaches_and_casts_in_our_own_name_are_refused() {
    let (mut casts, now) = (settled(), at(10_000));
    let from = actor(2, 7);
    casts.announced(&[have(from, u64::MAX), have(from, 0), have(from, AHEAD_MAX * 4)], now);
    assert_eq!(casts.counters().refused, 3);
    assert_eq!(casts.first_missing(tag().scope(), from, AHEAD_MAX * 4), None);
    assert_eq!(casts.take_in(&tag(), actor(1, 1), 1, now), Taken::Refused);
    assert_eq!(casts.next(&tag()), Ok(1));
    assert_eq!(casts.take_in(&tag(), actor(1, 1), 1, now), Taken::Known);
    let long = Cast { from, number: 1, body: vec![0; CAST_BYTES_MAX + 1].into() };
    let far = Cast { from, number: NUMBER_MAX + 1, body: Bytes::new() };
    assert_eq!(Cast::decode(&long.encode()), None);
    assert_eq!(Cast::decode(&far.encode()), None);
    assert_eq!(Cast::decode(&Bytes::from_static(&[0; 31])), None);
}

#[test]
fn a_tag_is_no_scope_of_users_and_an_empty_one_is_none() {
    assert!(Tag::new("").is_err());
    assert!(Tag::new(&"x".repeat(Tag::BYTES_MAX + 1)).is_err());
    let longest = Tag::new(&"x".repeat(Tag::BYTES_MAX)).unwrap();
    assert_eq!(Tag::of(longest.scope()), Some(longest.clone()));
    assert!(ScopeName::of_users(longest.scope().as_str()).is_err());
    assert_eq!(Tag::of(&Tag::PREFIX.parse().unwrap()), None);
}
