//! Rule 7: one key used as two types at once.

use damson_core::replica::WriteError;
use damson_crdt::Kind;

use super::cluster::{Cluster, key};

/// A set at 0 and, later, a string at 1, merged.
fn set_and_later_text() -> Cluster {
    let mut cluster = Cluster::new(3);
    cluster.members[1].ahead_ms = 50;
    cluster.write(0, |tx| tx.set_add(&key("k"), b"a"));
    cluster.write(1, |tx| tx.set_text(&"k".into(), "v".into(), None));
    cluster.heal().unwrap();
    cluster
}

#[test]
fn the_type_of_the_latest_write_is_visible_everywhere_and_the_other_is_hidden() {
    let cluster = set_and_later_text();
    for at in 0..3 {
        let view = cluster.view(at);
        assert_eq!(view.kind(&key("k")), Some(Kind::Text), "at {at}");
        assert_eq!(view.text(&key("k")), Some("v".into()));
        assert!(!view.set_contains(&key("k"), b"a"));
    }
    assert_eq!(cluster.replica(2).live_dots(), 2);
}

#[test]
fn the_next_write_kills_what_is_hidden() {
    let mut cluster = set_and_later_text();
    cluster.write(2, |tx| tx.set_text(&"k".into(), "w".into(), None));
    assert_eq!(cluster.replica(2).live_dots(), 1);
    cluster.heal().unwrap();
    (0..3).for_each(|at| assert_eq!(cluster.view(at).text(&key("k")), Some("w".into())));
}

#[test]
fn a_write_of_the_wrong_type_is_refused_and_changes_nothing() {
    let mut cluster = Cluster::new(1);
    cluster.write(0, |tx| tx.set_add(&key("k"), b"a"));
    let wrong = WriteError::WrongType { holds: Kind::Set, wanted: Kind::Counter };
    assert_eq!(cluster.transact(0, |tx| tx.add(&key("k"), 1)), (Err(wrong), None));
    let (refused, batch) = cluster.transact(0, |tx| tx.put_register(&key("k").field(b"x"), "v".into(), None));
    assert!(
        matches!(refused, Err(WriteError::WrongType { holds: Kind::Set, wanted: Kind::Map })),
        "{refused:?}"
    );
    assert_eq!(batch, None);
    cluster.write(0, |tx| tx.set_text(&"k".into(), "v".into(), None));
    assert_eq!(cluster.view(0).text(&key("k")), Some("v".into()), "SET takes any type");
    assert_eq!(cluster.replica(0).live_dots(), 1);
}

#[test]
fn removing_the_last_visible_element_does_not_bring_the_hidden_type_back() {
    let mut cluster = Cluster::new(2);
    cluster.members[1].ahead_ms = 50;
    cluster.write(0, |tx| tx.set_text(&"k".into(), "hidden".into(), None));
    cluster.write(1, |tx| tx.set_add(&key("k"), b"a"));
    cluster.heal().unwrap();
    assert_eq!(cluster.view(0).kind(&key("k")), Some(Kind::Set));
    cluster.write(0, |tx| tx.set_remove(&key("k"), b"a"));
    cluster.heal().unwrap();
    (0..2).for_each(|at| assert_eq!(cluster.view(at).kind(&key("k")), None));
}

#[test]
fn removing_the_last_visible_field_does_not_bring_the_hidden_type_back() {
    let mut cluster = Cluster::new(2);
    cluster.members[1].ahead_ms = 50;
    cluster.write(0, |tx| tx.set_text(&"k".into(), "hidden".into(), None));
    cluster.write(1, |tx| tx.put_register(&key("k").field(b"x"), "1".into(), None));
    cluster.heal().unwrap();
    cluster.write(0, |tx| tx.map_remove(&key("k"), b"x"));
    cluster.heal().unwrap();
    (0..2).for_each(|at| assert_eq!(cluster.view(at).kind(&key("k")), None));
}

#[test]
fn a_write_into_a_field_settles_the_types_around_it() {
    let mut cluster = Cluster::new(2);
    cluster.members[1].ahead_ms = 50;
    cluster.write(0, |tx| tx.set_text(&"k".into(), "hidden".into(), None));
    cluster.write(1, |tx| tx.put_register(&key("k").field(b"x").field(b"y"), "1".into(), None));
    cluster.heal().unwrap();
    cluster.write(0, |tx| tx.put_register(&key("k").field(b"x").field(b"z"), "2".into(), None));
    assert_eq!(cluster.replica(0).live_dots(), 2, "the hidden string is dead");
    cluster.heal().unwrap();
    assert_eq!(cluster.view(1).map_len(&key("k").field(b"x")), 2);
}

#[test]
fn a_hidden_counter_is_reset_by_the_write_that_settles_the_type() {
    let mut cluster = Cluster::new(2);
    cluster.members[1].ahead_ms = 50;
    cluster.write(0, |tx| tx.add(&key("k"), 5));
    cluster.write(1, |tx| tx.set_add(&key("k"), b"a"));
    cluster.heal().unwrap();
    cluster.write(1, |tx| tx.set_add(&key("k"), b"b"));
    cluster.write(1, |tx| tx.remove(&key("k")));
    cluster.write(1, |tx| tx.add(&key("k"), 2));
    cluster.heal().unwrap();
    (0..2).for_each(|at| assert_eq!(cluster.view(at).counter(&key("k")), Some(2)));
}

#[test]
fn an_increment_that_is_refused_does_not_settle_the_type() {
    let mut cluster = Cluster::new(2);
    cluster.members[1].ahead_ms = 50;
    cluster.write(0, |tx| tx.set_add(&key("k"), b"a"));
    cluster.write(1, |tx| tx.add(&key("k"), i64::MAX));
    cluster.heal().unwrap();
    assert_eq!(cluster.transact(1, |tx| tx.add(&key("k"), 1)), (Err(WriteError::Overflow), None));
    cluster.write(1, |tx| tx.remove(&key("k")));
    cluster.members[0].ahead_ms = 500;
    cluster.write(0, |tx| tx.set_text(&"t".into(), "text".into(), None));
    cluster.write(1, |tx| tx.set_add(&key("t"), b"a"));
    cluster.heal().unwrap();
    assert_eq!(cluster.transact(1, |tx| tx.add_text(&"t".into(), 1)), (Err(WriteError::NotInteger), None));
}
