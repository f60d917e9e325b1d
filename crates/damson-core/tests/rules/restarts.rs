//! Rows and back: what a start finds on disk is the replica that was there.

use damson_core::persist::Table;

use super::cluster::{Cluster, actor, key};
use super::picture::{contents, picture};

/// A replica read from the rows of this member equals it. Everything must be on disk.
pub fn check_round_trip(cluster: &mut Cluster, at: usize) -> Result<(), String> {
    let (config, rules, wall_ms) = (cluster.config.clone(), cluster.rules, cluster.wall_ms);
    let member = &mut cluster.members[at];
    let mut loaded = member.disk.load(member.replica.actor(), &config, rules)?;
    let was = &member.replica;
    let same = [
        ("digest", loaded.digest() == was.digest()),
        ("context", loaded.context() == was.context()),
        ("floor", loaded.floor() == was.floor()),
        ("removals", loaded.removals() == was.removals()),
        ("bytes", loaded.user_bytes() == was.user_bytes()),
        ("unconfirmed", loaded.unconfirmed() == was.unconfirmed()),
        ("end", loaded.next_end_ms() == was.next_end_ms()),
        ("keys", loaded.keys() == was.keys()),
        ("dots", loaded.dots().eq(was.dots())),
        ("view", picture(&loaded, wall_ms) == picture(was, wall_ms)),
        ("contents", contents(&mut loaded) == contents(&mut member.replica)),
        ("rows", loaded.take_rows().is_empty()),
    ];
    let wrong: Vec<&str> = same.iter().filter(|(_, same)| !same).map(|(what, _)| *what).collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("read back from disk, {wrong:?} differ")) }
}

fn restarted(cluster: &mut Cluster, at: usize) {
    cluster.members[at].disk.sync();
    check_round_trip(cluster, at).unwrap();
    cluster.go_on(at).unwrap();
}

#[test]
fn an_empty_replica_has_no_rows() {
    let mut cluster = Cluster::new(1);
    assert!(cluster.members[0].replica.take_rows().is_empty());
    restarted(&mut cluster, 0);
}

#[test]
fn cells_with_long_names_come_back() {
    let mut cluster = Cluster::new(1);
    let long = damson_core::replica::Slot::key(vec![b'k'; 60_000]);
    cluster.write(0, |tx| tx.put_register(&long, "v".into(), None));
    cluster.write(0, |tx| tx.set_add(&key("set"), &[b'e'; 60_000]));
    restarted(&mut cluster, 0);
    assert_eq!(cluster.view(0).register(&long), Some("v".into()));
    assert!(cluster.view(0).set_contains(&key("set"), &[b'e'; 60_000]));
}

#[test]
fn an_actor_goes_on_after_a_clean_stop_and_its_counter_too() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.add(&key("n"), 5));
    restarted(&mut cluster, 0);
    let batch = cluster.write(0, |tx| tx.add(&key("n"), 2));
    assert_eq!(batch.first, 2);
    cluster.heal().unwrap();
    assert_eq!(cluster.view(1).counter(&key("n")), Some(7));
}

#[test]
fn a_new_life_counts_on_beside_what_the_old_one_counted() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.add(&key("n"), 5));
    cluster.members[0].disk.sync();
    let next = cluster.next_life(0);
    cluster.start(0, next).unwrap();
    assert_eq!(cluster.write(0, |tx| tx.add(&key("n"), 2)).first, 1);
    cluster.heal().unwrap();
    assert_eq!(cluster.view(1).counter(&key("n")), Some(7));
    assert_eq!(cluster.view(1).counter_shares(&key("n")).len(), 2);
}

#[test]
fn a_trace_that_was_not_absorbed_before_the_stop_is_absorbed_after_the_start() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.add(&key("n"), 5));
    cluster.pull(1, 0, 4_096).unwrap();
    cluster.write(0, |tx| tx.add(&key("n"), 1));
    cluster.write(1, |tx| tx.remove(&key("n")));
    cluster.pull(0, 1, 4_096).unwrap();
    restarted(&mut cluster, 0);
    assert!(cluster.absorb(0).is_some());
    assert!(cluster.absorb(0).is_none());
    cluster.heal().unwrap();
    assert_eq!(cluster.view(1).counter(&key("n")), Some(1));
    assert_eq!(cluster.replica(1).live_dots(), 1, "the trace is gone");
}

#[test]
fn removals_forgotten_after_a_start_are_forgotten_on_disk() {
    let mut cluster = Cluster::new(1);
    for element in [b"a", b"b", b"c"] {
        cluster.write(0, |tx| tx.set_add(&key("set"), element));
        cluster.write(0, |tx| tx.set_remove(&key("set"), element));
        restarted(&mut cluster, 0);
    }
    assert_eq!(cluster.replica(0).removals(), 3);
    cluster.members[0].replica.truncate_removals(1);
    cluster.members[0].persist();
    restarted(&mut cluster, 0);
    assert_eq!(cluster.replica(0).removals(), 1);
}

#[test]
fn a_live_dot_without_its_context_is_not_believed() {
    let mut cluster = Cluster::new(1);
    cluster.write(0, |tx| tx.set_add(&key("set"), b"a"));
    let group = cluster.write(0, |tx| tx.set_add(&key("set"), b"b"));
    assert_eq!(group.first, 2);
    let member = &mut cluster.members[0];
    member.disk.sync();
    let mut loader = damson_core::replica::Loader::new(actor(0, 1), cluster.config.clone(), cluster.rules);
    member.disk.rows(Table::Cells).for_each(|(key, value)| loader.row(Table::Cells, key, value).unwrap());
    assert!(loader.finish().is_err());
}
