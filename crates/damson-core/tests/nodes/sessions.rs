//! Sessions of anti-entropy that are looked at and cancelled: nothing is half entered, and the next round begins anew.

use damson_core::node::Config;
use damson_core::replica::Slot;
use damson_core::scope::ScopeName;
use damson_core::sync::{Session, SessionEnd};

use crate::bus::{Bus, Rows, id, scope};

const KEYS: usize = 200;

/// A link on which a transfer of all keys takes some ten seconds. Both ends have written before there was one.
fn two_apart() -> Bus {
    let mut bus = Bus::default();
    for n in [1, 2] {
        let mut config = Config::new(format!("n{n}"), "test");
        config.sync.bytes_per_s_max = 20_000;
        config.sync.chunk_bytes = 4_096;
        bus.start_with(config, n, Rows::new(), None, u64::from(n));
    }
    bus.write(0, |tx| {
        (0..KEYS).for_each(|n| tx.put_register(&key(n), vec![7; 1_000].into(), None).unwrap());
    });
    bus.write_in(0, &other(), |tx| tx.put_register(&Slot::key("k"), "v".into(), None).unwrap());
    bus.write(1, |tx| tx.put_register(&Slot::key("own"), "kept".into(), None).unwrap());
    // What is older than a minute is not spread any more.
    bus.run(70_000);
    bus
}

fn other() -> ScopeName {
    "other".parse().unwrap()
}

fn key(n: usize) -> Slot {
    Slot::key(format!("k{n}"))
}

fn sessions(bus: &mut Bus, at: usize) -> Vec<Session> {
    bus.node(at).sync_sessions().collect()
}

/// Lets time pass until a part of a transfer from the first to the second has come. Returns the session at both ends.
fn under_way(bus: &mut Bus) -> [Session; 2] {
    for _ in 0..200 {
        bus.run(50);
        let now = bus.now().time;
        let long = |session: &Session| now.ms_since(session.began) >= 2_000;
        let received = sessions(bus, 1).into_iter().find(|s| s.end == SessionEnd::Receiver && long(s));
        let sent = sessions(bus, 0).into_iter().find(|s| s.end == SessionEnd::Source && long(s));
        if let (Some(sent), Some(received)) = (sent, received) {
            return [sent, received];
        }
    }
    panic!("no session runs: {:?}", bus.node(1).sync_counters());
}

fn cancel(bus: &mut Bus, at: usize, number: u64) -> bool {
    bus.call(at, |node, now, fx| node.cancel_sync(number, now, fx))
}

fn digest(bus: &mut Bus, at: usize) -> String {
    bus.node(at).replica(&scope()).unwrap().digest().to_string()
}

/// What the disk holds of the scope.
fn rows(bus: &Bus, at: usize) -> Rows {
    let mut rows = bus.rows[at].clone();
    rows.retain(|(_, key), _| key.starts_with(b"\x03app"));
    rows
}

#[test]
fn a_session_is_listed_at_both_ends_with_its_peer_its_scope_and_who_asked() {
    let mut bus = two_apart();
    bus.link(0, 1);
    let [sent, received] = under_way(&mut bus);
    assert_eq!((sent.peer, received.peer), (id(2), id(1)));
    assert_eq!((&sent.scope, &received.scope), (&scope(), &scope()));
    bus.run(40_000);
    assert_eq!(digest(&mut bus, 0), digest(&mut bus, 1));
    assert_eq!((sessions(&mut bus, 0), sessions(&mut bus, 1)), (vec![], vec![]), "all are over");
    let counters = bus.node(1).sync_counters();
    assert_eq!((counters.cancelled, counters.failed), (0, 0));
    assert!(counters.begun >= received.number && counters.begun >= counters.pulled);
}

#[test]
fn a_session_cancelled_at_either_end_leaves_the_state_as_it_was_and_the_next_round_begins_anew() {
    for canceller in [0, 1] {
        let mut bus = two_apart();
        let before = [digest(&mut bus, 0), digest(&mut bus, 1)];
        bus.link(0, 1);
        let both = under_way(&mut bus);
        let before_rows = rows(&bus, 1);
        let failed = bus.node(1).sync_counters().failed;
        assert!(cancel(&mut bus, canceller, both[canceller].number));
        assert!(!cancel(&mut bus, canceller, both[canceller].number), "it is over");
        // The other end is told at once.
        for (at, own) in both.iter().enumerate() {
            assert!(sessions(&mut bus, at).iter().all(|other| other.number != own.number), "at {at}");
        }
        assert_eq!(digest(&mut bus, 1), before[1], "nothing is half entered");
        assert_eq!(rows(&bus, 1), before_rows, "nor half on disk");
        let counters = [0, 1].map(|at| bus.node(at).sync_counters());
        assert_eq!(counters[canceller].cancelled, 1);
        assert_eq!(
            counters[1].failed - failed,
            u64::from(canceller == 0),
            "what is cancelled has not failed"
        );
        assert!(!cancel(&mut bus, canceller, 1_000_000), "a number that none has");
        let [_, next] = under_way(&mut bus);
        assert!(next.number > both[1].number, "another session");
        bus.run(40_000);
        let (a, b) = (digest(&mut bus, 0), digest(&mut bus, 1));
        assert!(a == b && a != before[0] && a != before[1], "both have all of both");
    }
}

/// What waits for its turn belongs to the round that is given up.
#[test]
fn with_a_cancelled_session_the_rest_of_its_round_is_dropped() {
    let mut bus = two_apart();
    bus.link(0, 1);
    let [_, received] = under_way(&mut bus);
    assert!(
        received.scope == scope() && bus.node(1).replica(&other()).is_none(),
        "the other is to come after it"
    );
    assert!(cancel(&mut bus, 1, received.number));
    assert_eq!(sessions(&mut bus, 1), []);
    assert!(bus.node(1).replica(&other()).is_none(), "nothing follows at once");
    bus.run(40_000);
    assert_eq!(digest(&mut bus, 0), digest(&mut bus, 1));
    assert!(bus.node(1).replica(&other()).is_some_and(|replica| replica.keys() == 1));
}
