//! Registers: the last writer wins, or all concurrent values stay.

use bytes::Bytes;

use super::cluster::{Cluster, key};

#[test]
fn between_concurrent_writes_the_later_time_wins_everywhere() {
    let mut cluster = Cluster::new(2);
    cluster.members[1].ahead_ms = 50;
    cluster.write(1, |tx| tx.put_register(&key("reg"), "later".into(), None));
    cluster.write(0, |tx| tx.put_register(&key("reg"), "earlier".into(), None));
    cluster.heal().unwrap();
    (0..2).for_each(|at| assert_eq!(cluster.view(at).register(&key("reg")), Some("later".into())));
    assert_eq!(cluster.replica(0).live_dots(), 2, "both are alive until someone writes again");
}

#[test]
fn at_equal_times_the_greater_actor_wins_whoever_merges() {
    let mut cluster = Cluster::new(3);
    for at in 0..3 {
        let hlc = damson_crdt::Hlc::from_ms(7);
        let mut tx = cluster.members[at].replica.begin(hlc, 7);
        tx.put_register(&key("reg"), at.to_string().into(), None).unwrap();
        tx.commit().unwrap();
    }
    cluster.heal().unwrap();
    (0..3).for_each(|at| assert_eq!(cluster.view(at).register(&key("reg")), Some("2".into())));
}

#[test]
fn a_write_that_has_seen_another_kills_it_whatever_their_times() {
    let mut cluster = Cluster::new(2);
    cluster.members[0].ahead_ms = 1_000_000;
    cluster.write(0, |tx| tx.put_register(&key("reg"), "from the future".into(), None));
    cluster.pull(1, 0, 4_096).unwrap();
    let batch = cluster.write(1, |tx| tx.put_register(&key("reg"), "now".into(), None));
    assert!(batch.hlc.ms() < 1_500_000, "the future was not absorbed");
    cluster.heal().unwrap();
    (0..2).for_each(|at| assert_eq!(cluster.view(at).register(&key("reg")), Some("now".into())));
    assert_eq!(cluster.replica(0).live_dots(), 1);
}

#[test]
fn a_removal_spares_a_concurrent_write() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.put_register(&key("reg"), "old".into(), None));
    cluster.heal().unwrap();
    cluster.write(0, |tx| tx.put_register(&key("reg"), "new".into(), None));
    cluster.write(1, |tx| tx.remove(&key("reg")));
    cluster.heal().unwrap();
    (0..2).for_each(|at| assert_eq!(cluster.view(at).register(&key("reg")), Some("new".into())));
}

#[test]
fn a_multi_register_keeps_concurrent_values_and_a_later_write_replaces_them_all() {
    let mut cluster = Cluster::new(3);
    for (at, value) in ["a", "b", "c"].into_iter().enumerate() {
        cluster.write(at, |tx| tx.put_multi(&key("multi"), value.into()));
    }
    cluster.heal().unwrap();
    let all: Vec<Bytes> = vec!["a".into(), "b".into(), "c".into()];
    (0..3).for_each(|at| assert_eq!(cluster.view(at).multi(&key("multi")), all));
    cluster.write(1, |tx| tx.put_multi(&key("multi"), "d".into()));
    cluster.heal().unwrap();
    (0..3).for_each(|at| assert_eq!(cluster.view(at).multi(&key("multi")), vec![Bytes::from("d")]));
}
