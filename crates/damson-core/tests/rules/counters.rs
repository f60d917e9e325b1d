//! Counters (rule 10): exact, through deletes, crashes and the loss of a disk.

use damson_core::replica::WriteError;
use damson_crdt::Rules;

use super::cluster::{Cluster, key};

fn counts(cluster: &Cluster, want: Option<i64>) {
    for at in 0..cluster.members.len() {
        assert_eq!(cluster.view(at).counter(&key("n")), want, "at {at}");
    }
}

#[test]
fn concurrent_increments_add_up() {
    let mut cluster = Cluster::new(3);
    for (at, n) in [5, -2, 10].into_iter().enumerate() {
        cluster.write(at, |tx| tx.add(&key("n"), n));
    }
    cluster.heal().unwrap();
    counts(&cluster, Some(13));
}

#[test]
fn a_delete_concurrent_with_an_increment_of_one_ends_at_one_everywhere() {
    let mut cluster = Cluster::new(3);
    cluster.write(0, |tx| tx.add(&key("n"), 5));
    cluster.write(1, |tx| tx.add(&key("n"), 7));
    cluster.heal().unwrap();
    cluster.write(0, |tx| tx.add(&key("n"), 1));
    cluster.write(2, |tx| tx.remove(&key("n")));
    cluster.heal().unwrap();
    counts(&cluster, Some(1));
    (0..3).for_each(|at| _ = cluster.absorb(at));
    cluster.heal().unwrap();
    counts(&cluster, Some(1));
}

#[test]
fn a_delete_ends_at_one_also_when_the_incrementing_node_dies_at_once() {
    let mut cluster = Cluster::new(3);
    cluster.write(0, |tx| tx.add(&key("n"), 5));
    cluster.heal().unwrap();
    let last_words = cluster.write(0, |tx| tx.add(&key("n"), 1));
    cluster.receive(1, 0, &last_words);
    let next = cluster.next_life(0);
    cluster.members[0].disk = Default::default();
    cluster.start(0, next).unwrap();
    cluster.write(2, |tx| tx.remove(&key("n")));
    cluster.heal().unwrap();
    counts(&cluster, Some(1));
    cluster.write(0, |tx| tx.add(&key("n"), 2));
    cluster.heal().unwrap();
    counts(&cluster, Some(3));
}

#[test]
fn concurrent_deletes_take_the_same_only_once() {
    let mut cluster = Cluster::new(3);
    cluster.write(0, |tx| tx.add(&key("n"), 5));
    cluster.heal().unwrap();
    (0..3).for_each(|at| _ = cluster.write(at, |tx| tx.remove(&key("n"))));
    let (sum, _) = cluster.transact(0, |tx| tx.add(&key("n"), 2));
    assert_eq!(sum, Ok(2));
    cluster.heal().unwrap();
    counts(&cluster, Some(2));
}

/// A reset of a cell with two running totals, of which one is known by the trace of an earlier reset alone.
pub fn a_reset_keeps_what_earlier_resets_saw(rules: Rules) -> Result<(), String> {
    let mut cluster = Cluster::with(4, rules, Default::default());
    let (owner, first, second, witness) = (0, 1, 2, 3);
    let five = cluster.write(owner, |tx| tx.add(&key("n"), 5));
    (1..4).for_each(|at| _ = cluster.receive(at, owner, &five));
    let one = cluster.write(owner, |tx| tx.add(&key("n"), 1));
    let reset = cluster.write(first, |tx| tx.remove(&key("n")));
    cluster.write(owner, |tx| tx.remove(&key("n")));
    let ten = cluster.write(owner, |tx| tx.add(&key("n"), 10));
    cluster.receive(second, first, &reset);
    cluster.receive(second, owner, &ten);
    let again = cluster.write(second, |tx| tx.remove(&key("n")));
    [one, reset, ten, again].iter().for_each(|batch| _ = cluster.receive(witness, owner, batch));
    let left = cluster.view(witness).counter(&key("n"));
    if left == Some(1) {
        Ok(())
    } else {
        Err(format!("1 was added that no reset had seen, {left:?} is left"))
    }
}

#[test]
fn a_reset_carries_what_earlier_resets_took() {
    a_reset_keeps_what_earlier_resets_saw(Rules::default()).unwrap();
}

/// The counter's own delete is lost with its node, what it counted afterwards is not.
#[test]
fn a_delete_that_was_absorbed_is_not_undone_where_the_owners_own_delete_is_missing() {
    let mut cluster = Cluster::new(3);
    let (owner, other, witness) = (0, 1, 2);
    let one = cluster.write(owner, |tx| tx.add(&key("n"), 1));
    cluster.receive(other, owner, &one);
    cluster.receive(witness, owner, &one);
    let three = cluster.write(owner, |tx| tx.add(&key("n"), 3));
    cluster.receive(witness, owner, &three);
    cluster.write(owner, |tx| tx.remove(&key("n")));
    let deleted = cluster.write(other, |tx| tx.remove(&key("n")));
    cluster.receive(owner, other, &deleted);
    let ten = cluster.write(owner, |tx| tx.add(&key("n"), 10));
    cluster.receive(witness, other, &deleted);
    cluster.receive(witness, owner, &ten);
    counts_at(&cluster, witness, Some(3));
    cluster.pull(witness, owner, 4_096).unwrap();
    counts_at(&cluster, witness, Some(10));
}

#[test]
fn the_trace_of_a_reset_does_not_make_a_key_exist() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.add(&key("n"), 5));
    cluster.pull(1, 0, 4_096).unwrap();
    cluster.write(1, |tx| tx.remove(&key("n")));
    assert_eq!((cluster.replica(1).live_dots(), cluster.replica(1).keys()), (1, 0));
    counts_at(&cluster, 1, None);
    cluster.heal().unwrap();
    assert!(cluster.absorb(0).is_some());
    cluster.heal().unwrap();
    assert_eq!((cluster.replica(1).live_dots(), cluster.replica(0).live_dots()), (0, 0));
}

fn counts_at(cluster: &Cluster, at: usize, want: Option<i64>) {
    assert_eq!(cluster.view(at).counter(&key("n")), want);
}

#[test]
fn an_increment_that_would_overflow_is_an_error_and_changes_nothing() {
    let mut cluster = Cluster::new(1);
    cluster.write(0, |tx| tx.add(&key("n"), i64::MAX));
    let (refused, batch) = cluster.transact(0, |tx| tx.add(&key("n"), 1));
    assert_eq!((refused, batch), (Err(WriteError::Overflow), None));
    counts(&cluster, Some(i64::MAX));
}

#[test]
fn a_sum_that_overflows_by_merging_saturates() {
    let mut cluster = Cluster::new(2);
    (0..2).for_each(|at| _ = cluster.write(at, |tx| tx.add(&key("n"), i64::MAX)));
    cluster.heal().unwrap();
    counts(&cluster, Some(i64::MAX));
}

#[test]
fn a_counter_that_was_full_counts_again_after_a_delete() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.add(&key("n"), i64::MAX));
    cluster.heal().unwrap();
    cluster.write(1, |tx| tx.remove(&key("n")));
    cluster.heal().unwrap();
    cluster.absorb(0);
    let (sum, _) = cluster.transact(0, |tx| tx.add(&key("n"), 1));
    assert_eq!(sum, Ok(1));
    cluster.heal().unwrap();
    counts(&cluster, Some(1));
}
