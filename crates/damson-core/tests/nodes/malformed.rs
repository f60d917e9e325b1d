//! Frames that cannot be believed: counted, without effect, and never a panic.

use bytes::Bytes;
use damson_core::crdt::{
    Actor, Batch, CellId, Hlc, Kills, Leaf, Life, NodeId, Operation, Path, Payload, Target, codec,
};
use damson_core::node::{Input, LinkId};
use damson_core::wire::{GREETING_BYTES_MAX, Message, SyncMessage};
use proptest::prelude::*;

use crate::bus::{Bus, Rows, scope};

/// Two greeted nodes, and the link at the first.
fn greeted() -> (Bus, usize, usize, LinkId) {
    let mut bus = Bus::default();
    let a = bus.start(1, Rows::new(), None, 1);
    let b = bus.start(2, Rows::new(), None, 2);
    let (_, at_a) = bus.link(b, a);
    bus.run(500);
    (bus, a, b, at_a)
}

fn push(batch: Batch) -> Bytes {
    let mut batches = Vec::new();
    codec::encode_batches(&mut batches, &[batch]);
    Message::Push { scope: scope(), batches, round: 1 }.encode()
}

fn register(actor: Actor, first: u64, hlc: Hlc) -> Batch {
    let cell = CellId::new("k", Path::root().leaf(Leaf::Register));
    let op =
        Operation { target: Target::Cell(cell), kills: Kills::default(), payload: Some(Payload::value("v")) };
    Batch { actor, first, hlc, ops: [op].into() }
}

#[test]
fn a_large_frame_before_the_greeting_closes_the_link() {
    let mut bus = Bus::default();
    let a = bus.start(1, Rows::new(), None, 1);
    let link = LinkId(7);
    bus.input(a, Input::LinkUp { link, peer: NodeId([9; 16]), dialed: None });
    bus.input(a, Input::Frame { link, frame: vec![0; GREETING_BYTES_MAX + 1].into() });
    assert_eq!(bus.node(a).counters().malformed, 1);
}

#[test]
fn a_total_forged_in_anothers_name_is_refused() {
    let (mut bus, a, b, link) = greeted();
    let (me, other) =
        (Actor::new(bus.node(b).id(), Life(1)), Actor::new(bus.node(a).id(), bus.node(a).life()));
    let cell = CellId::new("n", Path::root().leaf(Leaf::Count(other)));
    let total = Payload::Total { epoch: 1, n: 1_000, base: (0, 0) };
    let op = Operation { target: Target::Cell(cell), kills: Kills::default(), payload: Some(total) };
    let frame = push(Batch { actor: me, first: 1, hlc: Hlc(1), ops: [op].into() });
    bus.input(a, Input::Frame { link, frame });
    assert_eq!(bus.node(a).counters().malformed, 1);
    assert!(bus.node(a).replica(&scope()).is_none());
}

#[test]
fn operations_in_our_own_name_that_we_did_not_write_make_us_another_life() {
    let (mut bus, a, _, link) = greeted();
    let own = Actor::new(bus.node(a).id(), bus.node(a).life());
    bus.input(a, Input::Frame { link, frame: push(register(own, 5, Hlc(1))) });
    assert_ne!(bus.node(a).life(), own.life);
    assert_eq!(bus.node(a).counters().own_from_elsewhere, 1);
}

#[test]
fn a_time_from_the_far_future_is_applied_and_not_absorbed() {
    let (mut bus, a, b, link) = greeted();
    let far = Hlc::from_ms(bus.now().wall_ms + 100 * 365 * 86_400_000);
    let author = Actor::new(bus.node(b).id(), Life(1));
    bus.input(a, Input::Frame { link, frame: push(register(author, 1, far)) });
    assert_eq!(bus.node(a).replica(&scope()).unwrap().live_dots(), 1);
    let now = bus.now();
    let slot = damson_core::replica::Slot::key("mine");
    let written =
        bus.node(a).write(&scope(), now, &mut Vec::new(), |tx| tx.put_register(&slot, "x".into(), None));
    assert!(written.unwrap().batch.unwrap().hlc.ms() <= now.wall_ms + 1);
}

#[test]
fn sync_messages_nobody_asked_for_change_nothing() {
    let (mut bus, a, _, link) = greeted();
    let before = bus.node(a).whole_digest();
    let odd = [
        SyncMessage::Chunk { session: 1, transfer: 1, number: 0, body: vec![1, 2, 3] },
        SyncMessage::Next { session: 8, transfer: 1, number: 9, demand: vec![0xff; 9], ahead: None },
        SyncMessage::Abort { session: 4 },
        SyncMessage::Pull { session: 5, scope: scope(), request: vec![0xff; 100], bytes_max: Some(u64::MAX) },
        SyncMessage::Digests(Vec::new()),
    ];
    for message in odd {
        bus.input(a, Input::Frame { link, frame: Message::Sync(message).encode() });
    }
    assert_eq!(bus.node(a).whole_digest(), before);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn arbitrary_and_damaged_frames_never_panic(bytes in any::<Vec<u8>>(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let (mut bus, a, b, link) = greeted();
        bus.input(a, Input::Frame { link, frame: bytes.into() });
        let author = Actor::new(bus.node(b).id(), Life(1));
        let mut frame = push(register(author, 1, Hlc(1))).to_vec();
        let at = at.index(frame.len());
        frame[at] = byte;
        bus.input(a, Input::Frame { link, frame: frame.into() });
        bus.run(100);
    }
}
