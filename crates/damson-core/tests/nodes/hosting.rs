//! Scopes that not everybody hosts.

use damson_core::membership::OverlayConfig;
use damson_core::node::{Config, Input};
use damson_core::replica::{Slot, Tx};
use damson_core::scope::ScopeName;

use crate::bus::{Bus, Rows, scope};

/// A node with so many neighbours at most: with two, four of them are no mesh.
fn start(bus: &mut Bus, n: u8, hosts: bool, active: usize) -> usize {
    start_with(bus, n, if hosts { vec![scope()] } else { Vec::new() }, active)
}

fn start_with(bus: &mut Bus, n: u8, hosted: Vec<ScopeName>, active: usize) -> usize {
    let mut config = Config::new(format!("n{n}"), "test");
    config.address = format!("n{n}");
    config.contacts = vec!["somewhere".into()];
    config.overlay = OverlayConfig { active, ..OverlayConfig::default() };
    config.hosted = Some(hosted);
    bus.start_with(config, n, Rows::new(), None, u64::from(n))
}

fn put(key: &'static str) -> impl FnOnce(&mut Tx<'_>) {
    move |tx| _ = tx.put_register(&Slot::key(key.as_bytes().to_vec()), b"value".to_vec().into(), None)
}

fn has(bus: &mut Bus, at: usize, key: &str) -> bool {
    let now = bus.now();
    let slot = Slot::key(key.as_bytes().to_vec());
    let replica = bus.node(at).replica(&scope());
    replica.is_some_and(|replica| replica.view(now.wall_ms).register(&slot).is_some())
}

/// Two hosts, and two others between them. The second host is not linked yet.
fn apart(bus: &mut Bus) -> (usize, [usize; 2]) {
    let a = start(bus, 1, true, 2);
    let between = [2, 4].map(|n| start(bus, n, false, 2));
    between.iter().for_each(|other| _ = bus.link(a, *other));
    bus.link(between[0], between[1]);
    bus.run(2_000);
    (a, between)
}

/// Those between know all members and host nothing; their log of what they have passed on is over when `b` comes.
#[test]
fn a_host_without_a_neighbour_that_hosts_the_scope_meets_another_host_and_is_not_ready_before() {
    let mut bus = Bus::default();
    let (a, between) = apart(&mut bus);
    bus.write(a, put("k"));
    bus.run(70_000);
    let b = start(&mut bus, 3, true, 2);
    bus.link(b, between[0]);
    bus.run(3_000);
    assert!(!has(&mut bus, b, "k"), "nobody could bring it yet");
    assert!(!bus.node(b).is_ready());
    assert!(bus.dialed.contains(&(b, "n1".into())), "{:?}", bus.dialed);
    bus.link(b, a);
    bus.run(100);
    assert!(has(&mut bus, b, "k"));
    assert!(bus.node(b).is_ready());
}

#[test]
fn hosts_go_on_meeting_each_other() {
    let mut bus = Bus::default();
    let (a, between) = apart(&mut bus);
    let b = start(&mut bus, 3, true, 2);
    bus.link(b, between[1]);
    for _ in 0..2 {
        bus.run(60_000);
        assert!(bus.dialed.contains(&(b, "n1".into())) && bus.dialed.contains(&(a, "n3".into())));
        for (by, address) in std::mem::take(&mut bus.dialed) {
            bus.input(by, Input::DialFailed { address });
        }
    }
}

/// A ring, in which each has as many neighbours as it wants.
#[test]
fn hosts_of_all_scopes_are_met_however_many_these_are() {
    let scopes: Vec<ScopeName> = (0..20).map(|n| format!("app{n:02}").parse().unwrap()).collect();
    let (most, last) = (&scopes[..19], &scopes[19..]);
    let mut bus = Bus::default();
    let hosted = [&scopes[..], &[], most, last, &[]];
    let ring: Vec<usize> =
        (1..).zip(hosted).map(|(n, all)| start_with(&mut bus, n, all.to_vec(), 2)).collect();
    (0..5).for_each(|at| _ = bus.link(ring[at], ring[(at + 1) % 5]));
    bus.run(5_000);
    for (by, address) in std::mem::take(&mut bus.dialed) {
        bus.input(by, Input::DialFailed { address });
    }
    bus.run(120_000);
    let met = |address: &str| bus.dialed.contains(&(ring[0], address.into()));
    assert!(met("n3") && met("n4"), "{:?}", bus.dialed);
}

#[test]
fn ended_keys_are_killed_by_members_that_host_their_scope() {
    let mut bus = Bus::default();
    let a = start(&mut bus, 1, true, 5);
    let others: Vec<usize> = (2..6).map(|n| start(&mut bus, n, false, 5)).collect();
    others.iter().for_each(|other| _ = bus.link(a, *other));
    bus.run(2_000);
    let ends = bus.now().wall_ms + 1_000;
    for n in 0..1_000 {
        bus.write(a, |tx| {
            let slot = Slot::key(format!("{n}").into_bytes());
            _ = tx.put_register(&slot, b"value".to_vec().into(), Some(ends));
        });
    }
    bus.run(40_000);
    let now = bus.now();
    let replica = bus.node(a).replica(&scope()).unwrap();
    assert_eq!(replica.ended_before(now.wall_ms).count(), 0);
}
