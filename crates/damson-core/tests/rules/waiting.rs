//! Rule 2: a batch that kills what has not arrived waits, in a bounded buffer, and what overflows never came.

use damson_core::replica::{Applied, ReplicaConfig};
use damson_crdt::{Batch, Rules};

use super::cluster::{Cluster, key};

/// Three puts of one register, each of which kills the one before.
fn chain(cluster: &mut Cluster) -> Vec<Batch> {
    let put = |n: usize, cluster: &mut Cluster| {
        cluster.write(0, |tx| tx.put_register(&key("reg"), n.to_string().into(), None))
    };
    (0..3).map(|n| put(n, cluster)).collect()
}

#[test]
fn a_batch_waits_for_what_it_kills() {
    let mut cluster = Cluster::new(2);
    let batches = chain(&mut cluster);
    assert_eq!(cluster.receive(1, 0, &batches[2]), Applied::Waiting);
    assert_eq!(cluster.receive(1, 0, &batches[2]), Applied::Duplicate);
    assert_eq!(cluster.receive(1, 0, &batches[1]), Applied::Waiting);
    assert_eq!((cluster.replica(1).waiting(), cluster.replica(1).context().dots()), (2, 0));
    assert_eq!(cluster.receive(1, 0, &batches[0]), Applied::New);
    assert_eq!((cluster.replica(1).waiting(), cluster.replica(1).context().dots()), (0, 3));
    cluster.check_equal(0, 1).unwrap();
}

#[test]
fn a_batch_that_overflows_is_as_if_it_had_never_come() {
    let config = ReplicaConfig { waiting_per_peer_max: 1, ..ReplicaConfig::default() };
    let mut cluster = Cluster::with(3, Rules::default(), config);
    let batches = chain(&mut cluster);
    assert_eq!(cluster.receive(1, 0, &batches[2]), Applied::Waiting);
    assert_eq!(cluster.receive(1, 0, &batches[1]), Applied::Overflowed);
    assert!(cluster.replica(1).context().is_empty());
    assert_eq!(cluster.replica(1).counters().overflowed, 1);
    assert_eq!(cluster.receive(1, 2, &batches[1]), Applied::Waiting, "each peer has its own share");
    assert_eq!(cluster.receive(1, 0, &batches[0]), Applied::New);
    cluster.check_equal(0, 1).unwrap();
}

#[test]
fn what_waits_is_bounded_in_bytes_too() {
    let config = ReplicaConfig { waiting_bytes_per_peer_max: 300, ..ReplicaConfig::default() };
    let mut cluster = Cluster::with(2, Rules::default(), config);
    let batches = chain(&mut cluster);
    assert_eq!(cluster.receive(1, 0, &batches[2]), Applied::Waiting);
    assert_eq!(cluster.receive(1, 0, &batches[1]), Applied::Overflowed);
    assert_eq!(cluster.receive(1, 0, &batches[0]), Applied::New);
    assert_eq!(cluster.receive(1, 0, &batches[1]), Applied::New);
    cluster.check_equal(0, 1).unwrap();
}

#[test]
fn anti_entropy_brings_what_overflowed() {
    let config = ReplicaConfig { waiting_per_peer_max: 0, ..ReplicaConfig::default() };
    let mut cluster = Cluster::with(2, Rules::default(), config);
    let batches = chain(&mut cluster);
    assert_eq!(cluster.receive(1, 0, &batches[2]), Applied::Overflowed);
    assert_eq!(cluster.receive(1, 0, &batches[0]), Applied::New);
    cluster.pull(1, 0, 4_096).unwrap();
    cluster.check_equal(0, 1).unwrap();
    assert_eq!(cluster.receive(1, 0, &batches[2]), Applied::Duplicate);
}

#[test]
fn what_waits_is_applied_once_a_transfer_brings_what_it_kills() {
    let mut cluster = Cluster::new(3);
    let batches = chain(&mut cluster);
    assert_eq!(cluster.receive(2, 0, &batches[0]), Applied::New);
    assert_eq!(cluster.receive(2, 0, &batches[1]), Applied::New);
    assert_eq!(cluster.receive(1, 0, &batches[2]), Applied::Waiting);
    cluster.pull(1, 2, 4_096).unwrap();
    assert_eq!(cluster.replica(1).waiting(), 0);
    cluster.check_equal(0, 1).unwrap();
}

#[test]
fn what_has_waited_too_long_is_dropped_and_can_come_again() {
    let mut cluster = Cluster::new(2);
    let batches = chain(&mut cluster);
    cluster.receive(1, 0, &batches[2]);
    cluster.time = cluster.time.plus_ms(9_999);
    let time = cluster.time;
    assert_eq!(cluster.members[1].replica.drop_waiting(time), 0);
    assert_eq!(cluster.members[1].replica.drop_waiting(time.plus_ms(2)), 1);
    assert_eq!(cluster.replica(1).waiting(), 0);
    batches.iter().for_each(|batch| assert_eq!(cluster.receive(1, 0, batch), Applied::New));
    cluster.check_equal(0, 1).unwrap();
}

#[test]
fn a_batch_may_kill_its_own_earlier_operations() {
    let mut cluster = Cluster::new(2);
    let batch = cluster.write(0, |tx| {
        tx.put_register(&key("reg"), "1".into(), None).unwrap();
        tx.put_register(&key("reg"), "2".into(), None).unwrap();
    });
    assert_eq!(cluster.receive(1, 0, &batch), Applied::New);
    cluster.check_equal(0, 1).unwrap();
}
