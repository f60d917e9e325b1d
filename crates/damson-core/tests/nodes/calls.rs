//! Questions to a service of one member: answered, refused, or over in time.

use bytes::Bytes;
use damson_core::node::{CALL_BYTES_MAX, CALLS_MAX, CallError, Input};
use damson_core::wire::{Call, Message, Return, Returned};

use crate::bus::{Bus, Rows, id};

/// Three nodes, the first linked to the others; the second offers a service.
fn three() -> Bus {
    let mut bus = Bus::default();
    (1..=3).for_each(|n| _ = bus.start(n, Rows::new(), None, u64::from(n)));
    bus.link(0, 1);
    bus.link(0, 2);
    bus.run(2_000);
    bus.node(1).offer("echo", true);
    bus
}

fn call(bus: &mut Bus, at: usize, member: u8, body: impl Into<Bytes>) -> Result<u64, CallError> {
    bus.call(at, |node, now, fx| node.call(id(member), "echo", body.into(), 1_000, now, fx))
}

fn ends(bus: &Bus) -> Vec<Result<Bytes, CallError>> {
    bus.returned.iter().map(|(_, _, result)| result.clone()).collect()
}

#[test]
fn a_call_is_answered_once_and_by_whom_it_asks() {
    let mut bus = three();
    let number = call(&mut bus, 0, 2, "hello").unwrap();
    let [(1, caller, service, body)] = &bus.called[..] else { panic!("{:?}", bus.called) };
    assert_eq!((caller.member, service.as_str(), body.as_ref()), (id(1), "echo", &b"hello"[..]));
    let caller = *caller;
    // Somebody else answers, and so does nobody: neither counts.
    let forged = Message::Return(Return { nonce: number, said: Returned::Body(b"forged".into()) });
    let (_, at_0) = bus.link(2, 0);
    bus.input(0, Input::Frame { link: at_0, frame: forged.encode() });
    assert_eq!(ends(&bus), []);
    bus.call(1, |node, _, fx| node.reply(caller, Ok("hello yourself".into()), fx));
    bus.call(1, |node, _, fx| node.reply(caller, Ok("again".into()), fx));
    assert_eq!(bus.returned, [(0, number, Ok("hello yourself".into()))]);
    bus.run(3_000);
    assert_eq!(bus.returned.len(), 1, "and no time-out after it");
}

#[test]
fn a_node_can_call_itself() {
    let mut bus = three();
    call(&mut bus, 1, 2, "me").unwrap();
    let caller = bus.called[0].1;
    assert_eq!(caller.member, id(2));
    bus.call(1, |node, _, fx| node.reply(caller, Err("no".into()), fx));
    assert_eq!(ends(&bus), [Err(CallError::Failed { reason: "no".into() })]);
}

#[test]
fn what_cannot_be_answered_is_a_typed_error() {
    let mut bus = three();
    call(&mut bus, 0, 3, "x").unwrap();
    assert_eq!(ends(&bus), [Err(CallError::NotOffered)]);
    assert_eq!(call(&mut bus, 0, 77, "x"), Err(CallError::NoSuchMember));
    let long = vec![0; CALL_BYTES_MAX + 1];
    let too_large = CallError::TooLarge { got: CALL_BYTES_MAX + 1, limit: CALL_BYTES_MAX };
    assert_eq!(call(&mut bus, 0, 2, long.clone()), Err(too_large.clone()));
    bus.returned.clear();
    call(&mut bus, 0, 2, "x").unwrap();
    let caller = bus.called.last().unwrap().1;
    bus.call(1, |node, _, fx| node.reply(caller, Ok(long.into()), fx));
    assert_eq!(ends(&bus), [Err(too_large)]);
    bus.returned.clear();
    call(&mut bus, 0, 2, "x").unwrap();
    bus.run(1_500);
    assert_eq!(ends(&bus), [Err(CallError::TimedOut)]);
}

#[test]
fn no_more_than_so_many_are_under_way_between_two() {
    let mut bus = three();
    (0..CALLS_MAX).for_each(|_| _ = call(&mut bus, 0, 2, "x").unwrap());
    assert_eq!(call(&mut bus, 0, 2, "x"), Err(CallError::TooMany { limit: CALLS_MAX }));
    call(&mut bus, 0, 3, "x").expect("another member");
    bus.run(1_500);
    assert_eq!(bus.returned.len(), CALLS_MAX + 1);
    // The second still works on them, and takes no more.
    bus.returned.clear();
    call(&mut bus, 0, 2, "x").unwrap();
    assert_eq!(ends(&bus), [Err(CallError::TooMany { limit: CALLS_MAX })]);
}

#[test]
fn a_call_ends_with_its_link_and_one_without_a_link_dials() {
    let mut bus = three();
    call(&mut bus, 0, 2, "x").unwrap();
    let (link, _) = bus.link(0, 1); // takes the other's place
    bus.returned.clear();
    call(&mut bus, 0, 2, "y").unwrap();
    bus.input(0, Input::LinkDown { link });
    assert!(ends(&bus).contains(&Err(CallError::Unreachable)), "{:?}", bus.returned);
    // The third knows the second by the roster only.
    bus.returned.clear();
    let sent = call(&mut bus, 2, 2, "z");
    assert_eq!(sent, Err(CallError::Unreachable), "it has no address in this network");
}

#[test]
fn calls_that_cannot_be_are_counted_and_dropped() {
    let mut bus = three();
    let (_, at_1) = bus.link(0, 1);
    let before = bus.node(1).counters().malformed;
    let called = bus.called.len();
    for (service, len) in [("x".repeat(65), 1), ("echo".to_string(), CALL_BYTES_MAX + 1)] {
        let call = Message::Call(Call { nonce: 1, service, body: vec![0; len] });
        bus.input(1, Input::Frame { link: at_1, frame: call.encode() });
    }
    assert_eq!(bus.node(1).counters().malformed - before, 2);
    // The same number twice is one call.
    let twice = Message::Call(Call { nonce: 7, service: "echo".into(), body: vec![1] }).encode();
    bus.input(1, Input::Frame { link: at_1, frame: twice.clone() });
    bus.input(1, Input::Frame { link: at_1, frame: twice });
    assert_eq!(bus.called.len() - called, 1);
}
