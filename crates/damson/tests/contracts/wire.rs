//! Entries from where one does not control who writes.

use bytes::Bytes;
use damson::replica::wire::{OrMap, Refused, accept, ingest, valid_entry, valid_entry_with};
use damson::{Actor, Life, NodeId};

fn map(of: u8) -> OrMap {
    OrMap::new(Actor::new(NodeId([of; 16]), Life(u64::from(of))))
}

fn all(_: &[u8], _: &[u8]) -> bool {
    true
}

fn contents(map: &OrMap) -> Vec<(Bytes, Bytes)> {
    map.entries().map(|entry| (entry.key, entry.value.unwrap().0)).collect()
}

#[test]
fn three_maps_that_exchange_snapshots_in_any_order_become_equal_and_keep_removals() {
    let mut maps = [map(1), map(2), map(3)];
    maps[0].put("a", "1", 10).unwrap();
    maps[1].put("a", "2", 20).unwrap();
    maps[2].put("b", "3", 5).unwrap();
    for (from, to) in [(0, 1), (2, 1), (1, 0), (1, 2), (0, 2), (1, 2)] {
        let snapshot = maps[from].snapshot();
        ingest(&mut maps[to], &snapshot, all);
    }
    let wanted = [("a".into(), "2".into()), ("b".into(), "3".into())];
    assert!(maps.iter().all(|map| contents(map) == wanted), "the later of two concurrent writes wins");
    assert!(maps[0].remove(b"a") && maps[0].remove(b"b") && !maps[0].remove(b"b"));
    let only_removals = maps[0].snapshot();
    let old = maps[1].snapshot();
    let changed = ingest(&mut maps[2], &only_removals, all).entries;
    assert_eq!(
        changed.iter().map(|entry| (&entry.key[..], &entry.value)).collect::<Vec<_>>(),
        [(&b"a"[..], &None), (&b"b"[..], &None)]
    );
    assert_eq!(ingest(&mut maps[2], &old, all).entries, [], "what was removed does not come back");
    assert_eq!(contents(&maps[2]), []);
}

#[test]
fn what_was_accepted_is_returned_and_only_what_has_changed() {
    let (mut here, mut there) = (map(1), map(2));
    there.put("a", "1", 10).unwrap();
    there.put("b", "2", 10).unwrap();
    let delta = there.entry(b"a").unwrap();
    let keys = |accepted: damson::replica::wire::Accepted| {
        accepted.entries.into_iter().map(|entry| entry.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(ingest(&mut here, &delta, all)), ["a"]);
    assert_eq!(keys(ingest(&mut here, &there.snapshot(), all)), ["b"]);
    assert_eq!(keys(ingest(&mut here, &there.snapshot(), all)), Vec::<Bytes>::new());
    assert_eq!(keys(accept(&there.snapshot(), all)), ["a", "b"]);
}

#[test]
fn a_validator_refuses_single_entries_and_what_it_refused_was_not_seen() {
    let (mut here, mut there) = (map(1), map(2));
    for (key, value) in [("good", "7"), ("bad", "x"), ("trap", "1")] {
        there.put(key, value, 10).unwrap();
    }
    let digits = |key: &[u8], value: &[u8]| {
        assert!(key != b"trap", "a bug");
        value.iter().all(u8::is_ascii_digit)
    };
    let accepted = ingest(&mut here, &there.snapshot(), digits);
    assert_eq!(accepted.refused, Refused { leaf: 1, leaf_panicked: 1, ..Refused::default() });
    assert_eq!(contents(&here), [("good".into(), "7".into())]);
    assert_eq!(ingest(&mut here, &there.snapshot(), all).entries.len(), 2, "it can still come");
    let entry = |key: &[u8]| there.entry(key).unwrap();
    assert!(valid_entry(&entry(b"bad")) && valid_entry_with(&entry(b"good"), digits));
    assert!(!valid_entry_with(&entry(b"bad"), digits) && !valid_entry_with(&entry(b"trap"), digits));
    assert!(!valid_entry(&there.snapshot()), "three are not one");
}

#[test]
fn no_bytes_panic_and_what_is_damaged_changes_nothing() {
    let (mut here, mut there) = (map(1), map(2));
    here.put("mine", "1", 10).unwrap();
    there.put("a", "1", 10).unwrap();
    there.put("b", [7_u8; 300].to_vec(), 10).unwrap();
    there.remove(b"a");
    let sound = there.snapshot();
    let mut refused = 0;
    for at in 0..sound.len() {
        assert_ne!(accept(&sound[..at], all).refused, Refused::default(), "cut at {at}");
        for bit in 0..8 {
            let mut turned = sound.to_vec();
            turned[at] ^= 1 << bit;
            let mut copy = here.clone();
            let accepted = ingest(&mut copy, &turned, all);
            refused += usize::from(accepted.refused != Refused::default());
            assert_eq!(copy.get(b"mine"), Some("1".into()), "byte {at}, bit {bit}");
        }
    }
    assert!(refused > 100, "{refused}");
    for junk in [&b""[..], b"\xff", b"hello", &[0x82, 0x9a, 0xff, 0xff, 0xff, 0xff], &[0x1b; 64]] {
        assert_eq!(accept(junk, all).refused.malformed + accept(junk, all).refused.limits, 1);
        assert_eq!(ingest(&mut here, junk, all).entries, []);
    }
}
