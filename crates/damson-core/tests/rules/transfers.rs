//! Rule 3 in slow motion: transfers that take many messages, several at once, while both ends change, and give up.

use bytes::Bytes;
use damson_core::replica::{Chunk, Extent, Request, Seen, TransferError, Tx};
use damson_crdt::{Cell, Context, LiveDot, Payload, Rules};

use super::cluster::{Cluster, key, node};
use super::dice::seeds;
use super::histories::{Mix, Step, run};

const SLOW: &Mix = &[
    (30, Step::Write),
    (6, Step::Transaction),
    (2, Step::Absorb),
    (14, Step::Deliver),
    (10, Step::Open),
    (30, Step::Chunk),
    (2, Step::Abort),
    (3, Step::Truncate),
    (1, Step::Crash),
    (1, Step::Wipe),
];

const SLOW_AND_FORGETFUL: &Mix = &[
    (36, Step::Write),
    (4, Step::Transaction),
    (6, Step::Deliver),
    (12, Step::Open),
    (40, Step::Chunk),
    (1, Step::Abort),
    (12, Step::Truncate),
];

pub const MIXES: &[&Mix] = &[SLOW, SLOW_AND_FORGETFUL];

#[test]
fn transfers_in_slow_motion_enter_the_context_with_their_last_cell() {
    for seed in seeds(700) {
        run(seed, Rules::default(), MIXES).unwrap_or_else(|fault| panic!("{fault}"));
    }
}

/// The source forgets a removal while it sends: the receiver must not believe that its own log explains it.
pub fn log_cut_during_a_transfer(rules: Rules) -> Result<(), String> {
    let mut cluster = Cluster::with(3, rules, Default::default());
    let set = key("set");
    cluster.write(0, |tx| tx.set_add(&set, b"a"));
    cluster.write(0, |tx| tx.set_add(&set, b"b"));
    cluster.pull(1, 0, 4_096)?;
    cluster.pull(2, 0, 4_096)?;
    cluster.write(0, |tx| tx.set_add(&set, b"c"));
    let transfer = cluster.open(1, 0);
    cluster.write(0, |tx| tx.set_remove(&set, b"a"));
    cluster.members[0].replica.truncate_removals(0);
    cluster.step(transfer, 4_096)?;
    cluster.pull(2, 1, 4_096)?;
    cluster.check_equal(1, 2)?;
    cluster.check_equal(0, 2)
}

#[test]
fn a_log_that_is_cut_during_a_transfer_raises_the_receivers_floor() {
    log_cut_during_a_transfer(Rules::default()).unwrap();
}

#[test]
fn an_aborted_transfer_leaves_no_trace() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.set_add(&key("set"), b"a"));
    cluster.write(0, |tx| tx.set_add(&key("set"), b"b"));
    let transfer = cluster.open(1, 0);
    let transfer = cluster.step(transfer, 1).unwrap().expect("two cells are two messages");
    cluster.abort(&transfer);
    assert!(cluster.replica(1).context().is_empty() && cluster.replica(1).live_dots() == 0);
    assert!(cluster.step(transfer, 1).is_err(), "the source has let go of it");
    cluster.heal().unwrap();
}

#[test]
fn a_transfer_with_a_live_dot_outside_its_context_is_refused_as_a_whole() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.set_add(&key("set"), b"a"));
    let (request, mut inbound) = cluster.members[1].replica.begin_inbound(None);
    cluster.members[0].replica.open_outbound(1, node(1), request);
    let mut chunk = cluster.members[0].replica.next_chunk(1, 4_096, None).unwrap();
    let mut last = chunk.last.take().unwrap();
    last.news = Context::default();
    cluster.members[1].replica.stage(&mut inbound, chunk).unwrap();
    let refused = cluster.members[1].replica.commit_inbound(inbound, &last, (node(0), 1));
    assert!(matches!(refused, Err(TransferError::OutsideContext(_))), "{refused:?}");
    assert_eq!(cluster.replica(1).live_dots(), 0);
}

#[test]
fn a_receiver_below_the_floor_compares_or_takes_everything() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.set_add(&key("set"), b"a"));
    cluster.pull(1, 0, 4_096).unwrap();
    cluster.write(0, |tx| tx.set_remove(&key("set"), b"a"));
    cluster.members[0].replica.truncate_removals(0);
    let seen = cluster.replica(1).context().clone();
    let sketch_key = cluster.members[1].replica.begin_inbound(None).0.sketch_key;
    let source = &mut cluster.members[0].replica;
    let asks = |seen, live| Request { seen: Seen::Whole(seen), live, sketch_key, compared: None };
    assert_eq!(source.open_outbound(1, node(1), asks(seen.clone(), 0)), Some(Extent::Whole));
    assert_eq!(source.open_outbound(2, node(1), asks(seen.clone(), 1)), Some(Extent::Differing));
    let of_another = Request { sketch_key: sketch_key ^ 1, ..asks(seen, 1) };
    assert_eq!(source.open_outbound(2, node(1), of_another), Some(Extent::Whole));
    let own = source.context().clone();
    assert_eq!(
        source.open_outbound(3, node(1), asks(own, 1)),
        Some(Extent::Missing),
        "who lacks nothing is sent nothing"
    );
    cluster.heal().unwrap();
    assert!(!cluster.view(1).set_contains(&key("set"), b"a"));
}

fn put(tx: &mut Tx<'_>, name: &'static str, value: &'static [u8]) {
    tx.put_register(&key(name), Bytes::from_static(value), None).unwrap();
}

/// Both send to each other at once. What a peer has brought is not sent back to it, but where its key was cleared: what is
/// not sent of such a key is empty.
#[test]
fn what_the_receiver_brought_survives_a_clear_that_it_is_told_of() {
    for parts_before in 0..3 {
        let mut cluster = Cluster::new(2);
        let set = key("set");
        cluster.write(0, |tx| (tx.set_add(&set, b"old"), tx.set_add(&set, b"older")));
        cluster.pull(1, 0, 4_096).unwrap();
        cluster.write(0, |tx| assert!(tx.remove(&set)));
        cluster.write(0, |tx| tx.set_add(&key("other"), b"x"));
        cluster.write(1, |tx| tx.set_add(&set, b"new"));
        let mut slow = Some(cluster.open(1, 0));
        for _ in 0..parts_before {
            slow = cluster.step(slow.expect("a cell, a clear and a removal"), 1).unwrap();
        }
        cluster.pull(0, 1, 4_096).unwrap();
        while let Some(transfer) = slow {
            slow = cluster.step(transfer, 1).unwrap();
        }
        assert!(cluster.view(1).set_contains(&set, b"new"), "nobody has removed it");
        cluster.check_equal(0, 1).unwrap();
    }
}

/// The source learns from a third what the receiver holds and it does not, while it sends.
fn removal_passed_on(forgotten: bool, remove: impl Fn(&mut damson_core::replica::Tx<'_>)) {
    let mut cluster = Cluster::new(3);
    let set = key("set");
    cluster.write(2, |tx| (tx.set_add(&set, b"a"), tx.set_add(&set, b"b")));
    cluster.pull(0, 2, 4_096).unwrap();
    cluster.write(2, remove);
    if forgotten {
        cluster.members[2].replica.truncate_removals(0);
    }
    cluster.write(1, |tx| tx.set_add(&key("tags"), b"x"));
    let slow = cluster.open(0, 1);
    cluster.pull(1, 2, 4_096).unwrap();
    let mut open = Some(slow);
    while let Some(transfer) = open {
        open = cluster.step(transfer, 1).unwrap();
    }
    cluster.check_equal(0, 1).unwrap();
}

#[test]
fn a_removal_that_the_source_takes_from_a_third_while_it_sends_reaches_the_receiver() {
    removal_passed_on(false, |tx| _ = tx.set_remove(&key("set"), b"a"));
}

#[test]
fn a_clear_that_the_source_takes_from_a_third_while_it_sends_reaches_the_receiver() {
    removal_passed_on(false, |tx| _ = tx.remove(&key("set")));
}

#[test]
fn a_forgotten_removal_that_the_source_takes_from_a_third_while_it_sends_reaches_the_receiver() {
    removal_passed_on(true, |tx| _ = tx.set_remove(&key("set"), b"a"));
}

/// A receiver with hardly anything changes places with what came: what it has written, seen and killed meanwhile is joined into
/// that. As the same transfer does when it is staged cell by cell, which another transfer that is under way leads to.
#[test]
fn who_is_filled_keeps_what_it_has_and_what_it_has_killed() {
    for staged in [false, true] {
        let mut cluster = Cluster::new(3);
        for element in 0..100_u8 {
            cluster.write(0, |tx| tx.set_add(&key("set"), &[element]));
        }
        let shared = cluster.write(0, |tx| put(tx, "shared", b"theirs"));
        let killed = cluster.write(0, |tx| put(tx, "killed", b"theirs"));
        let cleared = cluster.write(0, |tx| put(tx, "cleared", b"theirs"));
        cluster.receive(1, 0, &shared);
        cluster.receive(1, 0, &cleared);
        cluster.write(0, |tx| assert!(tx.remove(&key("cleared"))));
        cluster.write(0, |tx| tx.add(&key("count"), 5).unwrap());
        let transfer = cluster.open(1, 0);
        let other = staged.then(|| cluster.open(2, 1));
        // It comes once more with the transfer.
        cluster.receive(1, 0, &killed);
        cluster.write(1, |tx| put(tx, "own", b"ours"));
        cluster.write(1, |tx| put(tx, "shared", b"ours"));
        cluster.write(1, |tx| assert!(tx.remove(&key("killed"))));
        cluster.write(1, |tx| tx.add(&key("count"), 2).unwrap());
        let mut next = Some(transfer);
        for part in 0.. {
            let Some(transfer) = next else { break };
            next = cluster.step(transfer, 1).unwrap();
            if part < 9 {
                cluster.write(0, |tx| tx.add(&key("count"), 1).unwrap());
            }
        }
        let shows = |name| cluster.view(1).register(&key(name));
        assert_eq!((shows("cleared"), shows("killed")), (None, None));
        let ours = Some(Bytes::from_static(b"ours"));
        assert_eq!((shows("shared"), shows("own")), (ours.clone(), ours));
        assert!(cluster.view(1).set_contains(&key("set"), &[99]));
        other.iter().for_each(|other| cluster.abort(other));
        cluster.heal().unwrap();
        assert_eq!(cluster.view(2).counter(&key("count")).unwrap(), 2 + 5 + 9);
        assert_eq!(cluster.view(0).register(&key("killed")), None);
        (0..3).for_each(|at| cluster.go_on(at).unwrap());
        cluster.check_equal(0, 1).unwrap();
    }
}

/// The source has killed what is alive here, and here is dead what is alive there: nothing stays.
#[test]
fn who_is_filled_loses_what_the_source_has_killed_in_a_cell_of_which_the_rest_is_dead_here() {
    let mut cluster = Cluster::new(4);
    let x = key("x");
    let a = cluster.write(2, |tx| put(tx, "x", b"a"));
    let b = cluster.write(3, |tx| put(tx, "x", b"b"));
    for element in 0..100_u8 {
        cluster.write(0, |tx| tx.set_add(&key("set"), &[element]));
    }
    cluster.receive(1, 3, &b);
    cluster.write(1, |tx| assert!(tx.remove(&x)));
    cluster.receive(1, 2, &a);
    cluster.receive(0, 2, &a);
    cluster.write(0, |tx| assert!(tx.remove(&x)));
    cluster.receive(0, 3, &b);
    cluster.pull(1, 0, 4_096).unwrap();
    assert_eq!(cluster.view(1).register(&x), None);
    cluster.heal().unwrap();
    assert_eq!(cluster.view(0).register(&x), None);
}

/// What a removal in the log is about is sent, also when what was alive beside it has died meanwhile by what the receiver has
/// brought itself.
#[test]
fn a_removal_is_told_although_the_rest_of_its_cell_died_at_the_receiver() {
    let mut cluster = Cluster::new(4);
    let x = key("x");
    let w = cluster.write(2, |tx| put(tx, "x", b"w"));
    let z = cluster.write(3, |tx| put(tx, "x", b"z"));
    let r = cluster.write(3, |tx| assert!(tx.remove(&x)));
    for element in 0..50_u8 {
        cluster.write(0, |tx| tx.set_add(&key("set"), &[element]));
    }
    for (from, batch) in [(2, &w), (3, &z), (3, &r)] {
        cluster.receive(0, from, batch);
    }
    let mut next = Some(cluster.open(1, 0));
    for part in 0.. {
        let Some(transfer) = next else { break };
        if part == 3 {
            cluster.receive(1, 2, &w);
            cluster.write(1, |tx| assert!(tx.remove(&x)));
            cluster.pull(0, 1, 4_096).unwrap();
            cluster.receive(1, 3, &z);
        }
        next = cluster.step(transfer, 1).unwrap();
    }
    assert_eq!(cluster.view(1).register(&x), None);
    cluster.heal().unwrap();
}

/// A cell that a removal in the log is about and that is alive again is found in two ways.
#[test]
fn a_cell_that_does_not_change_is_sent_once() {
    let mut cluster = Cluster::new(2);
    let set = key("set");
    cluster.write(0, |tx| (tx.set_add(&set, b"a"), tx.set_add(&set, b"b")));
    cluster.write(0, |tx| tx.set_remove(&set, b"a"));
    cluster.write(0, |tx| tx.set_add(&set, b"a"));
    let request = cluster.members[1].replica.begin_inbound(None).0;
    let source = &mut cluster.members[0].replica;
    source.open_outbound(1, node(1), request);
    let sent = std::iter::from_fn(|| source.next_chunk(1, 1, None)).flat_map(|chunk| chunk.cells);
    let paths: Vec<_> = sent.map(|(id, _)| id.path).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
}

/// A source that says two things of one dot: what is counted and what agrees follows what is held in the end.
#[test]
fn a_dot_that_comes_to_say_something_else_is_counted_as_what_it_says() {
    for ends in [false, true] {
        let mut cluster = Cluster::new(2);
        cluster.write(0, |tx| put(tx, "x", b"1"));
        let (request, mut inbound) = cluster.members[1].replica.begin_inbound(None);
        cluster.members[0].replica.open_outbound(1, node(1), request);
        let mut chunk = cluster.members[0].replica.next_chunk(1, 4_096, None).unwrap();
        let last = chunk.last.take().unwrap();
        let (id, honest) = chunk.cells[0].clone();
        let long = honest
            .dots()
            .iter()
            .map(|live| LiveDot { payload: Payload::value(vec![7; 1_000]), ..live.clone() });
        let forged = Cell::from_dots(long).unwrap();
        let after = [forged, Cell::default()];
        let sink = &mut cluster.members[1].replica;
        sink.stage(&mut inbound, chunk).unwrap();
        for cell in after.into_iter().take(1 + usize::from(ends)) {
            sink.stage(&mut inbound, Chunk { cells: vec![(id.clone(), cell)], ..Chunk::default() }).unwrap();
        }
        sink.commit_inbound(inbound, &last, (node(0), 1)).unwrap();
        assert_eq!(sink.user_bytes(), if ends { 0 } else { 1_000 });
        assert_ne!(cluster.replica(0).digest(), cluster.replica(1).digest(), "it is told that they differ");
    }
}
