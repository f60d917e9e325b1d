//! Redis strings: a base and counters as one type.

use bytes::Bytes;
use damson_core::replica::WriteError;

use super::cluster::{Cluster, key};

fn k() -> Bytes {
    "k".into()
}

fn shows(cluster: &Cluster, want: &str) {
    for at in 0..cluster.members.len() {
        assert_eq!(cluster.view(at).text(&key("k")), Some(want.to_owned().into()), "at {at}");
    }
}

#[test]
fn set_five_then_increment_gives_six() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.set_text(&k(), "5".into(), None));
    let (sum, _) = cluster.transact(0, |tx| tx.add_text(&k(), 1));
    assert_eq!(sum, Ok(6));
    cluster.heal().unwrap();
    shows(&cluster, "6");
    let (sum, _) = cluster.transact(1, |tx| tx.add_text(&k(), 1));
    assert_eq!(sum, Ok(7));
    cluster.heal().unwrap();
    shows(&cluster, "7");
}

#[test]
fn set_kills_the_base_and_the_counters_that_it_saw() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.set_text(&k(), "5".into(), None));
    cluster.heal().unwrap();
    (0..2).for_each(|at| _ = cluster.write(at, |tx| tx.add_text(&k(), 10)));
    cluster.heal().unwrap();
    shows(&cluster, "25");
    cluster.write(1, |tx| tx.set_text(&k(), "1".into(), None));
    cluster.heal().unwrap();
    shows(&cluster, "1");
    (0..2).for_each(|at| _ = cluster.absorb(at));
    cluster.heal().unwrap();
    shows(&cluster, "1");
}

#[test]
fn an_increment_concurrent_with_a_set_survives() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.add_text(&k(), 3));
    cluster.heal().unwrap();
    cluster.write(0, |tx| tx.add_text(&k(), 1));
    cluster.write(1, |tx| tx.set_text(&k(), "5".into(), None));
    cluster.heal().unwrap();
    shows(&cluster, "6");
}

#[test]
fn a_delete_concurrent_with_an_increment_ends_at_one() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.set_text(&k(), "5".into(), None));
    cluster.write(0, |tx| tx.add_text(&k(), 2));
    cluster.heal().unwrap();
    cluster.write(0, |tx| tx.add_text(&k(), 1));
    cluster.write(1, |tx| tx.remove(&key("k")));
    cluster.heal().unwrap();
    shows(&cluster, "1");
}

#[test]
fn a_string_that_is_no_number_shows_its_base_and_refuses_increments() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.set_text(&k(), "five".into(), None));
    cluster.write(1, |tx| tx.add_text(&k(), 1));
    cluster.heal().unwrap();
    shows(&cluster, "five");
    assert_eq!(cluster.transact(0, |tx| tx.add_text(&k(), 1)), (Err(WriteError::NotInteger), None));
}

#[test]
fn only_numbers_as_redis_writes_them_are_numbers() {
    let mut cluster = Cluster::new(1);
    for text in ["", "-", "+5", "05", "-0", " 5", "5 ", "5.0", "9223372036854775808"] {
        cluster.write(0, |tx| tx.set_text(&k(), text.into(), None));
        assert_eq!(cluster.transact(0, |tx| tx.add_text(&k(), 1)).0, Err(WriteError::NotInteger), "{text:?}");
    }
    for (text, next) in [("0", 1), ("-1", 0), ("-9223372036854775808", i64::MIN + 1)] {
        cluster.write(0, |tx| tx.set_text(&k(), text.into(), None));
        assert_eq!(cluster.transact(0, |tx| tx.add_text(&k(), 1)).0, Ok(next), "{text:?}");
    }
}

#[test]
fn an_increment_beyond_64_bits_is_refused() {
    let mut cluster = Cluster::new(1);
    cluster.write(0, |tx| tx.set_text(&k(), i64::MAX.to_string().into(), None));
    assert_eq!(cluster.transact(0, |tx| tx.add_text(&k(), 1)), (Err(WriteError::Overflow), None));
}
