use damson_core::node::{Config, Event, MemoryConfig};
use damson_core::replica::{MemoryLevel, MemoryOf, Slot, WriteError};
use damson_core::scope::ScopeName;

use crate::bus::{Bus, Rows, scope};

const LIMIT: u64 = 1_000_000;

fn limited(bytes: u64) -> Bus {
    let memory = MemoryConfig { node_bytes_max: Some(bytes), ..MemoryConfig::default() };
    let mut bus = Bus::default();
    bus.start_with(Config { memory, ..Config::new("n1", "test") }, 1, Rows::new(), None, 1);
    bus
}

/// One batch that puts keys with values of these lengths.
fn put(bus: &mut Bus, scope: &ScopeName, prefix: &str, keys: usize, bytes: usize) -> Result<(), WriteError> {
    let (now, mut fx) = (bus.now(), Vec::new());
    let written = bus.node(0).write(scope, now, &mut fx, |tx| {
        (0..keys).try_for_each(|n| {
            tx.put_register(&Slot::key(format!("{prefix}{n}")), vec![7; bytes].into(), None)
        })
    });
    written.map(drop)
}

fn levels(bus: &Bus) -> Vec<MemoryLevel> {
    let told = bus.events[0].iter().filter_map(|event| match event {
        Event::Memory { scope: None, level, .. } => Some(*level),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_node_tells_in_time_that_memory_becomes_short_and_that_there_is_room_again() {
    let mut bus = limited(LIMIT);
    put(&mut bus, &scope(), "k", 1, 500_000).unwrap();
    bus.run(2_000);
    assert_eq!(levels(&bus), []);
    put(&mut bus, &scope(), "k", 1, 930_000).unwrap();
    bus.run(2_000);
    put(&mut bus, &scope(), "l", 1, 64_000).unwrap();
    bus.run(2_000);
    bus.write(0, |tx| _ = tx.remove(&Slot::key("k0")));
    bus.run(5_000);
    assert_eq!(levels(&bus), [MemoryLevel::Short, MemoryLevel::Full, MemoryLevel::Fine]);
}

#[test]
fn scopes_share_the_limit_of_their_node_and_removals_in_one_leave_room_to_the_others() {
    let mut bus = limited(LIMIT);
    let other: ScopeName = "other".parse().unwrap();
    let refused = put(&mut bus, &scope(), "k", 10_000, 1);
    assert!(matches!(refused, Err(WriteError::OutOfMemory { of: MemoryOf::Node, limit_bytes: LIMIT, .. })));
    let wall_ms = bus.now().wall_ms;
    let keys: Vec<_> =
        bus.node(0).replica(&scope()).unwrap().view(wall_ms).keys().map(|(key, _)| key).collect();
    assert!(keys.len() > 2_000 && put(&mut bus, &other, "k", 1, 1_000).is_err());
    bus.write(0, |tx| keys.iter().for_each(|key| _ = tx.remove(&Slot::key(key.clone()))));
    // Each left a removal.
    assert!(bus.node(0).memory().used_bytes > LIMIT * 9 / 10);
    put(&mut bus, &other, "k", 1, 900_000).unwrap();
    assert!(bus.node(0).memory().used_bytes <= LIMIT);
}

#[test]
fn a_node_without_any_room_is_a_member_all_the_same() {
    let mut bus = limited(1);
    bus.run(2_000);
    assert_eq!(bus.node(0).roster().iter().count(), 1);
    assert!(put(&mut bus, &scope(), "k", 1, 1).is_err());
}
