//! The count of memory never drifts, and a limit refuses what adds, and nothing else.

use bytes::Bytes;
use damson_core::replica::{MemoryLevel, MemoryOf, Slot, Tx, WriteError};
use damson_crdt::Kind;

use super::cluster::{Cluster, key};

const VALUE: usize = 1_000;

type Step = fn(&mut Tx<'_>) -> Result<(), WriteError>;

/// The count that follows changes, and one from scratch.
pub fn check_count(cluster: &Cluster, at: usize) -> Result<(), String> {
    let replica = cluster.replica(at);
    let (counted, again) = (replica.memory().used_bytes, replica.memory_bytes_again());
    if counted == again { Ok(()) } else { Err(format!("{counted} bytes are counted, {again} are held")) }
}

fn used(cluster: &Cluster, at: usize) -> u64 {
    cluster.replica(at).memory().used_bytes
}

fn value() -> Bytes {
    vec![7; VALUE].into()
}

fn limit(cluster: &mut Cluster, at: usize, bytes: u64) {
    cluster.members[at].replica.limit_memory(Some(bytes));
}

/// One of each type, in ways that have all shapes of entries.
fn put_all(tx: &mut Tx<'_>) -> Result<(), WriteError> {
    tx.put_register(&key("register"), value(), Some(2_000_000))?;
    tx.put_register(&Slot::key(vec![b'k'; 100]), value(), None)?;
    tx.put_multi(&key("multi"), value())?;
    tx.set_text(&"text".into(), "5".into(), Some(3_000_000))?;
    tx.add_text(&"text".into(), 3)?;
    tx.add(&key("n"), 5)?;
    tx.put_max(&key("max"), 5)?;
    tx.set_flag(&key("flag"), Kind::EnableWins, true)?;
    for n in 0..40_u8 {
        tx.set_add(&key("set"), &[n; 30])?;
        tx.put_register(&key("map").field(&[n]), value(), None)?;
    }
    tx.expire(&"multi".into(), Some(2_000_000))?;
    Ok(())
}

fn remove_all(cluster: &mut Cluster, at: usize) {
    cluster.write(at, |tx| {
        let keys: Vec<Slot> = tx.view().keys().map(|(key, _)| Slot::key(key)).collect();
        keys.iter().for_each(|slot| _ = tx.remove(slot));
    });
}

#[test]
fn all_types_are_counted_and_nothing_is_left_of_them() {
    let mut cluster = Cluster::new(1);
    assert_eq!(used(&cluster, 0), 0);
    cluster.write(0, |tx| put_all(tx).unwrap());
    check_count(&cluster, 0).unwrap();
    assert!(used(&cluster, 0) > 40 * VALUE as u64);
    remove_all(&mut cluster, 0);
    check_count(&cluster, 0).unwrap();
    assert!(cluster.replica(0).removals() > 0 && used(&cluster, 0) > 0);
    cluster.members[0].replica.truncate_removals(0);
    assert_eq!(used(&cluster, 0), 0);
}

#[test]
fn what_was_read_from_the_disk_or_came_from_a_peer_is_counted_alike() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| put_all(tx).unwrap());
    cluster.write(0, |tx| tx.remove(&key("max")));
    cluster.pull(1, 0, 4_096).unwrap();
    assert_eq!(used(&cluster, 1), used(&cluster, 0));
    cluster.members[0].disk.sync();
    cluster.go_on(0).unwrap();
    assert_eq!(used(&cluster, 0), used(&cluster, 1));
    check_count(&cluster, 0).unwrap();
}

#[test]
fn what_waits_is_counted_and_forgotten() {
    let mut cluster = Cluster::new(3);
    let first = cluster.write(0, |tx| tx.put_register(&key("k"), value(), None));
    cluster.receive(1, 0, &first);
    let second = cluster.write(1, |tx| tx.put_register(&key("k"), value(), None));
    cluster.receive(2, 1, &second);
    assert_eq!(cluster.replica(2).waiting(), 1);
    check_count(&cluster, 2).unwrap();
    assert!(used(&cluster, 2) > VALUE as u64);
    cluster.receive(2, 0, &first);
    assert_eq!((cluster.replica(2).waiting(), used(&cluster, 2)), (0, used(&cluster, 1)));
}

#[test]
fn every_write_that_adds_beyond_the_limit_is_refused_and_leaves_no_trace() {
    let mut cluster = Cluster::new(1);
    cluster.write(0, |tx| put_all(tx).unwrap());
    cluster.write(0, |tx| tx.set_text(&"plain".into(), "1".into(), None));
    let full = used(&cluster, 0);
    limit(&mut cluster, 0, full);
    let replica = cluster.replica(0);
    let (digest, context) = (replica.digest(), replica.context().clone());
    let adding: [(&str, Step); 11] = [
        ("register", |tx| tx.put_register(&key("new"), value(), None)),
        ("multi", |tx| tx.put_multi(&key("new"), value())),
        ("text", |tx| tx.set_text(&"new".into(), value(), None)),
        ("text counter", |tx| tx.add_text(&"plain".into(), 1).map(drop)),
        ("counter", |tx| tx.add(&key("new"), 1).map(drop)),
        ("max", |tx| tx.put_max(&key("new"), 1)),
        ("flag", |tx| tx.set_flag(&key("new"), Kind::DisableWins, true)),
        ("element", |tx| tx.set_add(&key("set"), b"new").map(drop)),
        ("field", |tx| tx.put_register(&key("map").field(b"new"), value(), None)),
        ("time-to-live", |tx| tx.expire(&"n".into(), Some(2_000_000)).map(drop)),
        ("greater value", |tx| tx.put_register(&key("register"), vec![7; 2 * VALUE].into(), None)),
    ];
    for (what, add) in adding {
        let (refused, batch) = cluster.transact(0, add);
        let wanted = WriteError::OutOfMemory { of: MemoryOf::Scope, used_bytes: full, limit_bytes: full };
        assert_eq!((refused, batch), (Err(wanted), None), "{what}");
        let replica = cluster.replica(0);
        assert_eq!(
            (replica.digest(), replica.context(), used(&cluster, 0)),
            (digest, &context, full),
            "{what}"
        );
    }
    assert_eq!(cluster.replica(0).counters().out_of_memory, 11);
}

#[test]
fn a_refused_write_spares_what_it_would_have_put_away_first() {
    let mut cluster = Cluster::new(1);
    cluster.write(0, |tx| tx.put_register(&key("k"), value(), Some(2_000_000)));
    cluster.wall_ms = 2_100_000;
    limit(&mut cluster, 0, 1);
    let digest = cluster.replica(0).digest();
    let (refused, batch) =
        cluster.transact(0, |tx| tx.put_register(&key("k"), vec![7; 2 * VALUE].into(), None));
    assert!(matches!(refused, Err(WriteError::OutOfMemory { .. })), "{refused:?}");
    assert_eq!((batch, cluster.replica(0).digest()), (None, digest));
}

#[test]
fn what_does_not_grow_and_what_frees_is_possible_at_the_limit() {
    let mut cluster = Cluster::new(1);
    cluster.write(0, |tx| put_all(tx).unwrap());
    limit(&mut cluster, 0, 1);
    let same: [Step; 8] = [
        |tx| tx.put_register(&key("register"), value(), Some(2_500_000)),
        |tx| tx.put_multi(&key("multi"), "less".into()),
        |tx| tx.add(&key("n"), 5).map(drop),
        |tx| tx.add_text(&"text".into(), 5).map(drop),
        |tx| tx.put_max(&key("max"), 9),
        |tx| tx.set_add(&key("set"), &[0; 30]).map(drop),
        |tx| tx.expire(&"multi".into(), Some(2_100_000)).map(drop),
        // It takes the place of a set.
        |tx| tx.set_text(&"set".into(), value(), None),
    ];
    for write in same {
        let (written, batch) = cluster.transact(0, write);
        assert!(written.is_ok() && batch.is_some(), "{written:?}");
    }
    cluster.write(0, |tx| {
        assert!(tx.remove(&key("register")));
        // As much as was freed, and not a byte more.
        assert_eq!(tx.put_register(&key("another!"), value(), Some(2_000_000)), Ok(()));
        assert!(tx.put_max(&key("new"), 1).is_err());
    });
    assert_eq!(cluster.write(0, |tx| tx.map_remove(&key("map"), &[3])).ops.len(), 1);
    cluster.wall_ms = 4_000_000;
    assert!(cluster.reap(0).is_some());
    remove_all(&mut cluster, 0);
    cluster.members[0].replica.truncate_removals(0);
    assert_eq!(used(&cluster, 0), 0);
}

#[test]
fn what_others_write_is_taken_beyond_the_limit_and_counted() {
    let mut cluster = Cluster::new(2);
    limit(&mut cluster, 1, 10);
    let batch = cluster.write(0, |tx| put_all(tx).unwrap());
    cluster.receive(1, 0, &batch);
    assert_eq!((used(&cluster, 1), cluster.replica(1).counters().out_of_memory), (used(&cluster, 0), 0));
    cluster.write(0, |tx| tx.put_register(&key("more"), value(), None));
    cluster.pull(1, 0, 4_096).unwrap();
    cluster.check_equal(0, 1).unwrap();
    // The trace of a reset in our counter is absorbed at the limit, too.
    let count = cluster.write(0, |tx| tx.add(&key("mine"), 1));
    cluster.receive(1, 0, &count);
    let reset = cluster.write(1, |tx| tx.remove(&key("mine")));
    limit(&mut cluster, 0, 10);
    cluster.receive(0, 1, &reset);
    assert!(cluster.absorb(0).is_some());
}

#[test]
fn a_batch_is_admitted_or_refused_as_a_whole() {
    let mut cluster = Cluster::new(1);
    limit(&mut cluster, 0, 10_000);
    let put = |tx: &mut Tx<'_>, n: usize| -> Result<(), WriteError> {
        tx.admit((n * VALUE) as u64)?;
        (0..n).try_for_each(|n| tx.put_register(&Slot::key(vec![n as u8]), value(), None))
    };
    let (refused, batch) = cluster.transact(0, |tx| put(tx, 11));
    assert!(matches!(refused, Err(WriteError::OutOfMemory { used_bytes: 0, limit_bytes: 10_000, .. })));
    assert_eq!(batch, None);
    let (admitted, batch) = cluster.transact(0, |tx| put(tx, 9));
    assert_eq!((admitted, batch.unwrap().ops.len()), (Ok(()), 9));
}

#[test]
fn the_level_says_how_near_the_limit_is() {
    let mut cluster = Cluster::new(1);
    cluster.write(0, |tx| tx.put_register(&key("k"), vec![7; 10_000].into(), None));
    let used = used(&cluster, 0);
    for (part, level) in [
        (100, MemoryLevel::Full),
        (102, MemoryLevel::Short),
        (109, MemoryLevel::Short),
        (115, MemoryLevel::Fine),
    ] {
        limit(&mut cluster, 0, used * part / 100);
        assert_eq!(cluster.replica(0).memory().level(), level, "{part}");
    }
    cluster.members[0].replica.limit_memory(None);
    assert_eq!(cluster.replica(0).memory().level(), MemoryLevel::Fine);
}
