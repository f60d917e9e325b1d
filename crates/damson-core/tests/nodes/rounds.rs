//! Rounds of anti-entropy ride on probes.

use damson_core::node::Config;
use damson_core::replica::Slot;
use damson_core::wire::Message;

use crate::bus::{Bus, Rows, scope};

fn two_in_calm() -> Bus {
    let mut bus = Bus::default();
    let (a, b) = (bus.start(1, Rows::new(), None, 1), bus.start(2, Rows::new(), None, 2));
    bus.link(a, b);
    bus.run(5_000);
    bus.sent.clear();
    bus
}

#[test]
fn equal_pairs_compare_each_second_without_a_frame_of_their_own() {
    let mut bus = two_in_calm();
    let before = bus.node(0).sync_counters();
    bus.run(20_000);
    let after = bus.node(0).sync_counters();
    let (rounds, equal) = (after.rounds - before.rounds, after.equal - before.equal);
    assert!((15..=27).contains(&rounds) && equal + 1 >= rounds, "{equal} of {rounds}");
    let own = bus.sent.iter().filter(|(_, m)| matches!(m, Message::Check(_) | Message::Equal)).count();
    assert_eq!(own, 0);
}

#[test]
fn what_a_broadcast_lost_comes_by_the_next_round_in_either_direction() {
    for (writer, reader) in [(0, 1), (1, 0)] {
        let mut bus = two_in_calm();
        bus.deaf.insert((writer, reader));
        bus.write(writer, |tx| _ = tx.add(&Slot::key("k"), 1).unwrap());
        bus.deaf.clear();
        bus.run(1_500);
        let wall_ms = bus.now().wall_ms;
        let held = bus
            .node(reader)
            .replica(&scope())
            .is_some_and(|r| r.view(wall_ms).kind(&Slot::key("k")).is_some());
        assert!(held, "from {writer} to {reader}");
    }
}

#[test]
fn rounds_wait_for_a_pause_in_what_comes_by_itself_but_not_for_ever() {
    let mut bus = two_in_calm();
    let before = bus.node(0).sync_counters().rounds;
    for _ in 0..400 {
        bus.write(1, |tx| _ = tx.add(&Slot::key("k"), 1).unwrap());
        bus.run(50);
    }
    let rounds = bus.node(0).sync_counters().rounds - before;
    assert!((2..=6).contains(&rounds), "{rounds} in 20 s");
}

/// What was seen is told by what differs here, so the source learns only later whether there is anything to pull back.
#[test]
fn a_difference_takes_one_session_of_each_at_most() {
    let mut bus = Bus::default();
    for n in [1, 2] {
        let mut config = Config::new(format!("n{n}"), "test");
        config.replica.whole_actors_max = 0;
        bus.start_with(config, n, Rows::new(), None, u64::from(n));
    }
    bus.link(0, 1);
    bus.run(5_000);
    let pulled = |bus: &mut Bus| [0, 1].map(|at| bus.node(at).sync_counters().pulled);
    let before = pulled(&mut bus);
    for _ in 0..10 {
        bus.deaf.insert((0, 1));
        bus.write(0, |tx| _ = tx.add(&Slot::key("k"), 1).unwrap());
        bus.deaf.clear();
        bus.run(3_000);
    }
    let after = pulled(&mut bus);
    let sessions = [0, 1].map(|at| after[at] - before[at]);
    assert!(sessions[0] <= 10 && sessions[1] == 10, "{sessions:?}");
}

#[test]
fn a_round_is_with_as_many_peers_as_the_fanout_says() {
    let rounds = |fanout: usize| {
        let mut bus = Bus::default();
        for n in 1..=4 {
            let mut config = Config::new(format!("n{n}"), "test");
            config.sync.fanout = fanout;
            bus.start_with(config, n, Rows::new(), None, u64::from(n));
        }
        for (a, b) in [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)] {
            bus.link(a, b);
        }
        bus.run(5_000);
        let before = bus.node(0).sync_counters().rounds;
        bus.run(20_000);
        bus.node(0).sync_counters().rounds - before
    };
    let (one, three, many) = (rounds(1), rounds(3), rounds(9));
    assert!((15..=27).contains(&one), "{one}");
    assert!((45..=81).contains(&three), "{three}");
    assert!((45..=81).contains(&many), "with nobody twice: {many}");
}
