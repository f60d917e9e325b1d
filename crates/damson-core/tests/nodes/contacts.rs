//! Contacts: those of the configuration, and those that are discovered while the node runs.

use damson_core::membership::{Member, MemberState, OverlayConfig};
use damson_core::node::{Config, DialConfig, Event, Input};
use damson_core::scope::ScopeName;

use crate::bus::{Bus, Rows, id};

fn addresses(names: &[&str]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

fn told(bus: &mut Bus, at: usize, names: &[&str]) {
    bus.input(at, Input::Contacts(addresses(names)));
}

/// What a node has dialled since this was last asked, each once.
fn dialed(bus: &mut Bus, at: usize) -> Vec<String> {
    let mut all: Vec<String> = std::mem::take(&mut bus.dialed)
        .into_iter()
        .filter(|(by, _)| *by == at)
        .map(|(_, address)| address)
        .collect();
    all.sort();
    all.dedup();
    all
}

/// All dials under way fail, and time passes.
fn fail_all(bus: &mut Bus, at: usize, names: &[String]) {
    for address in names {
        bus.input(at, Input::DialFailed { address: address.clone() });
    }
    bus.run(3_000);
}

#[test]
fn contacts_that_come_at_run_time_are_dialled_at_once_and_again_when_they_do_not_answer() {
    let mut bus = Bus::default();
    let a = bus.start(1, Rows::new(), None, 1);
    bus.run(1_000);
    assert_eq!(dialed(&mut bus, a), addresses(&[]));
    told(&mut bus, a, &["x", "y"]);
    let first = dialed(&mut bus, a);
    assert_eq!(first, addresses(&["x", "y"]));
    fail_all(&mut bus, a, &first);
    assert_eq!(dialed(&mut bus, a), addresses(&["x", "y"]));
}

#[test]
fn contacts_that_are_removed_are_not_dialled_any_more_and_those_of_the_configuration_stay() {
    let mut bus = Bus::default();
    let config = Config { contacts: addresses(&["fixed"]), ..Config::new("n1", "test") };
    let a = bus.start_with(config, 1, Rows::new(), None, 1);
    bus.run(100);
    told(&mut bus, a, &["x", "y", "fixed"]);
    let first = dialed(&mut bus, a);
    assert_eq!(first, addresses(&["fixed", "x", "y"]));
    told(&mut bus, a, &["y"]);
    fail_all(&mut bus, a, &first);
    assert_eq!(dialed(&mut bus, a), addresses(&["fixed", "y"]));
    told(&mut bus, a, &[]);
    fail_all(&mut bus, a, &addresses(&["fixed", "y"]));
    assert_eq!(dialed(&mut bus, a), addresses(&["fixed"]));
}

#[test]
fn of_many_contacts_a_few_are_dialled_at_once_and_all_have_their_turn() {
    let mut bus = Bus::default();
    let a = bus.start(1, Rows::new(), None, 1);
    let many: Vec<String> = (0..100).map(|n| format!("c{n:02}")).collect();
    bus.input(a, Input::Contacts(many.clone()));
    let mut seen = std::collections::BTreeSet::new();
    let mut first = dialed(&mut bus, a);
    assert_eq!(first.len(), DialConfig::default().contacts_at_once);
    assert_ne!(
        first,
        many[..first.len()],
        "in random order: nodes that start together do not all dial the same"
    );
    for _ in 0..10 {
        for address in std::mem::take(&mut first) {
            seen.insert(address.clone());
            bus.input(a, Input::DialFailed { address });
        }
        first = dialed(&mut bus, a);
    }
    assert_eq!(seen.len(), many.len());
}

#[test]
fn contacts_beyond_the_limits_are_not_taken() {
    let mut bus = Bus::default();
    let dial = DialConfig { contacts_max: 3, ..DialConfig::default() };
    let a = bus.start_with(Config { dial, ..Config::new("n1", "test") }, 1, Rows::new(), None, 1);
    let long = "x".repeat(300);
    told(&mut bus, a, &["", &long, "a", "a", "b", "c", "d"]);
    assert_eq!(dialed(&mut bus, a), addresses(&["a", "b", "c"]));
}

#[test]
fn a_node_that_will_be_told_contacts_waits_for_them_before_it_serves_alone() {
    let ready = |bus: &Bus, at: usize| bus.events[at].contains(&Event::Ready { alone: true });
    let mut bus = Bus::default();
    let config = Config { discovers: true, ..Config::new("n1", "test") };
    let a = bus.start_with(config, 1, Rows::new(), None, 1);
    bus.run(4_000);
    assert!(!bus.node(a).is_ready() && !ready(&bus, a));
    bus.run(2_000);
    assert!(bus.node(a).is_ready() && ready(&bus, a));
}

/// Four nodes with two neighbours at most are too many for a mesh, in which all contacts would be dialled.
#[test]
fn a_contact_that_no_member_owns_is_tried_again_and_again_also_by_a_node_that_has_neighbours() {
    let mut bus = Bus::default();
    let start = |bus: &mut Bus, n: u8| {
        let overlay = OverlayConfig { active: 2, ..OverlayConfig::default() };
        let address = format!("node{n}");
        let config = Config { overlay, address, ..Config::new(format!("n{n}"), "test") };
        bus.start_with(config, n, Rows::new(), None, n.into())
    };
    let [a, b, c, d] = [1, 2, 3, 4].map(|n| start(&mut bus, n));
    for (dialer, other) in [(b, a), (c, b), (d, c)] {
        bus.link(dialer, other);
        bus.run(3_000);
    }
    assert_eq!(bus.node(a).roster().present(), 4);
    assert!(!bus.node(a).active_view().is_empty());
    dialed(&mut bus, a);
    told(&mut bus, a, &["node2", "node3", "stranger"]);
    for _ in 0..2 {
        bus.run(10_000);
        let found = dialed(&mut bus, a);
        assert!(found.contains(&"stranger".to_string()), "{found:?}");
        bus.input(a, Input::DialFailed { address: "stranger".into() });
    }
}

/// The route is gone: every dial fails at once, and there are many to try.
#[test]
fn a_node_that_is_cut_off_does_not_dial_without_end() {
    let mut bus = Bus::default();
    let a = bus.start(1, Rows::new(), None, 1);
    bus.write_in(a, &ScopeName::roster(), |tx| {
        for n in 10..60 {
            let address = format!("m{n}");
            let member = Member { id: id(n), name: address.clone(), address, ..member() };
            tx.put_multi(&Member::slot(id(n)), member.encode()).unwrap();
        }
    });
    let mut dials = 0;
    for _ in 0..60 * 20 {
        bus.run(50);
        for (by, address) in std::mem::take(&mut bus.dialed) {
            dials += 1;
            bus.input(by, Input::DialFailed { address });
        }
    }
    // Each of the fifty about every two seconds.
    assert!(dials < 50 * 60, "{dials} dials in a minute");
    assert!(dials > 100, "{dials} dials in a minute");
}

fn member() -> Member {
    Member {
        id: id(0),
        name: String::new(),
        address: String::new(),
        incarnation: 1,
        state: MemberState::Alive,
        judged_by: None,
        zone: None,
        hosted: None,
        version: 1,
        http: None,
        born: None,
        forgotten: None,
        runs: None,
    }
}
