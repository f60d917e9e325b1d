//! Times to live.

use bytes::Bytes;

use super::cluster::{Cluster, key};

fn k() -> Bytes {
    "k".into()
}

fn shown(cluster: &Cluster, at: usize) -> Option<Bytes> {
    cluster.view(at).text(&key("k"))
}

#[test]
fn the_time_to_live_in_a_losing_write_dies_with_it() {
    let mut cluster = Cluster::new(2);
    let soon = cluster.wall_ms + 100;
    cluster.members[1].ahead_ms = 50;
    cluster.write(0, |tx| tx.set_text(&k(), "loses".into(), Some(soon)));
    cluster.write(1, |tx| tx.set_text(&k(), "wins".into(), None));
    cluster.heal().unwrap();
    cluster.wall_ms += 1_000;
    (0..2).for_each(|at| assert_eq!(shown(&cluster, at), Some("wins".into())));
    assert_eq!(cluster.view(0).ends_ms(&k()), Some(None));
}

#[test]
fn an_expired_key_is_invisible_once_the_winner_has_been_chosen() {
    let mut cluster = Cluster::new(2);
    let soon = cluster.wall_ms + 100;
    cluster.members[1].ahead_ms = 50;
    cluster.write(0, |tx| tx.set_text(&k(), "loses".into(), None));
    cluster.write(1, |tx| tx.set_text(&k(), "wins".into(), Some(soon)));
    cluster.heal().unwrap();
    assert_eq!(shown(&cluster, 0), Some("wins".into()));
    cluster.wall_ms = soon;
    for at in 0..2 {
        assert_eq!(shown(&cluster, at), None, "the loser does not come back");
        assert_eq!((cluster.view(at).kind(&key("k")), cluster.view(at).ends_ms(&k())), (None, None));
        assert_eq!(cluster.view(at).keys().count(), 0);
    }
}

#[test]
fn a_plain_set_kills_the_time_to_live_of_the_key() {
    let mut cluster = Cluster::new(2);
    let soon = cluster.wall_ms + 100;
    cluster.write(0, |tx| tx.set_text(&k(), "1".into(), None));
    cluster.write(0, |tx| assert!(tx.expire(&k(), Some(soon)).unwrap()));
    cluster.heal().unwrap();
    assert_eq!(cluster.view(1).ends_ms(&k()), Some(Some(soon)));
    cluster.write(1, |tx| tx.set_text(&k(), "2".into(), None));
    cluster.heal().unwrap();
    cluster.wall_ms = soon + 1;
    assert_eq!(shown(&cluster, 0), Some("2".into()));
}

#[test]
fn an_increment_keeps_the_time_to_live() {
    let mut cluster = Cluster::new(1);
    let soon = cluster.wall_ms + 100;
    cluster.write(0, |tx| tx.set_text(&k(), "1".into(), Some(soon)));
    cluster.write(0, |tx| tx.add_text(&k(), 1));
    assert_eq!(cluster.view(0).ends_ms(&k()), Some(Some(soon)));
    cluster.wall_ms = soon;
    assert_eq!(
        cluster.transact(0, |tx| tx.add_text(&k(), 1)).0,
        Ok(1),
        "what had ended is no base to count from"
    );
    assert_eq!(cluster.view(0).ends_ms(&k()), Some(None));
}

#[test]
fn persist_takes_the_time_to_live_away() {
    let mut cluster = Cluster::new(2);
    let soon = cluster.wall_ms + 100;
    cluster.write(0, |tx| tx.set_text(&k(), "1".into(), Some(soon)));
    cluster.heal().unwrap();
    cluster.write(1, |tx| assert!(tx.expire(&k(), None).unwrap()));
    cluster.heal().unwrap();
    cluster.wall_ms = soon + 1;
    assert_eq!(shown(&cluster, 0), Some("1".into()));
}

#[test]
fn a_key_that_does_not_exist_cannot_be_given_a_time_to_live() {
    let mut cluster = Cluster::new(1);
    assert_eq!(cluster.transact(0, |tx| tx.expire(&k(), Some(7))), (Ok(false), None));
}

#[test]
fn ended_keys_are_killed_in_one_batch_and_leave_nothing() {
    let mut cluster = Cluster::new(2);
    let soon = cluster.wall_ms + 100;
    cluster.write(0, |tx| tx.set_text(&k(), "1".into(), Some(soon)));
    cluster.write(0, |tx| tx.set_add(&key("set"), b"a"));
    cluster.write(0, |tx| assert!(tx.expire(&"set".into(), Some(soon)).unwrap()));
    cluster.heal().unwrap();
    assert_eq!(cluster.replica(1).next_end_ms(), Some(soon));
    assert!(cluster.reap(1).is_none(), "nothing has ended yet");
    cluster.wall_ms = soon + 1;
    assert!(cluster.reap(1).is_some());
    cluster.heal().unwrap();
    assert_eq!((cluster.replica(0).live_dots(), cluster.replica(0).next_end_ms()), (0, None));
}

#[test]
fn a_write_concurrent_with_the_killing_of_an_ended_key_survives() {
    let mut cluster = Cluster::new(2);
    let soon = cluster.wall_ms + 100;
    cluster.write(0, |tx| tx.set_text(&k(), "1".into(), Some(soon)));
    cluster.heal().unwrap();
    cluster.wall_ms = soon + 1;
    cluster.write(0, |tx| tx.set_text(&k(), "2".into(), None));
    cluster.reap(1).unwrap();
    cluster.heal().unwrap();
    (0..2).for_each(|at| assert_eq!(shown(&cluster, at), Some("2".into())));
}

#[test]
fn what_is_written_after_a_delete_does_not_inherit_a_time_to_live_set_meanwhile() {
    let mut cluster = Cluster::new(2);
    let soon = cluster.wall_ms + 100;
    cluster.write(0, |tx| tx.set_add(&key("k"), b"a"));
    cluster.heal().unwrap();
    cluster.write(0, |tx| tx.remove(&key("k")));
    cluster.write(1, |tx| assert!(tx.expire(&k(), Some(soon)).unwrap()));
    cluster.heal().unwrap();
    assert_eq!(cluster.view(0).kind(&key("k")), None);
    cluster.write(0, |tx| tx.set_add(&key("k"), b"b"));
    cluster.heal().unwrap();
    cluster.wall_ms = soon + 1;
    (0..2).for_each(|at| assert!(cluster.view(at).set_contains(&key("k"), b"b")));
}

#[test]
fn an_element_of_an_ended_set_is_not_there_to_be_removed() {
    let mut cluster = Cluster::new(1);
    let soon = cluster.wall_ms + 100;
    cluster.write(0, |tx| tx.set_add(&key("k"), b"a"));
    cluster.write(0, |tx| assert!(tx.expire(&k(), Some(soon)).unwrap()));
    cluster.wall_ms = soon;
    assert_eq!(cluster.transact(0, |tx| tx.set_remove(&key("k"), b"a")).0, Ok(false));
}
