//! What is left of a damaged replica, written anew.

use damson_core::replica::Replica;

use super::cluster::{Cluster, actor, key};
use super::disk::scope;
use super::picture::{contents, picture};

/// A new life at the same node that has written anew what this member holds.
fn rewritten(cluster: &mut Cluster, at: usize) -> Replica {
    let mut fresh = Replica::new(scope(), actor(at, 1_000), cluster.config.clone(), cluster.rules);
    let member = &mut cluster.members[at];
    let (clock, now_ms) = (&mut member.clock, cluster.wall_ms + member.ahead_ms);
    fresh.rewrite(&member.replica, cluster.wall_ms, || clock.tick(now_ms));
    fresh
}

/// What users see. Concurrent values of a register have no order.
fn seen_in(replica: &Replica, wall_ms: u64) -> Vec<String> {
    let sorted = |line: String| {
        let mut letters: Vec<char> = line.chars().collect();
        letters.sort_unstable();
        letters.into_iter().collect()
    };
    let lines = picture(replica, wall_ms).into_iter();
    lines.map(|line| if line.contains("multi") { sorted(line) } else { line }).collect()
}

/// All that users see of a member is the same once it is written anew, and nothing of its context is claimed.
pub fn check_rewritten(cluster: &mut Cluster, at: usize) -> Result<(), String> {
    let fresh = rewritten(cluster, at);
    let (was, is) = (seen_in(cluster.replica(at), cluster.wall_ms), seen_in(&fresh, cluster.wall_ms));
    let authors: Vec<_> = fresh.context().iter().map(|(author, _)| author).collect();
    if was != is {
        let differs = was.iter().zip(&is).find(|(was, is)| was != is);
        return Err(format!("written anew, {} keys became {}: {differs:?}", was.len(), is.len()));
    }
    match authors.iter().all(|author| *author == fresh.actor()) {
        true => Ok(()),
        false => Err(format!("it claims to know {authors:?}")),
    }
}

#[test]
fn what_is_left_stands_beside_what_others_hold_and_deletes_nothing() {
    let mut cluster = Cluster::new(2);
    for name in ["kept", "lost"] {
        let batch = cluster.write(0, |tx| tx.put_register(&key(name), name.into(), None));
        cluster.receive(1, 0, &batch);
    }
    cluster.write(0, |tx| tx.remove(&key("lost")));
    let before = contents(&mut cluster.members[1].replica);
    let fresh = rewritten(&mut cluster, 0);
    cluster.members[0].replica = fresh;
    assert_eq!(cluster.view(0).register(&key("kept")), Some("kept".into()));
    cluster.pull(1, 0, usize::MAX).unwrap();
    let after = contents(&mut cluster.members[1].replica);
    assert!(before.keys().all(|dot| after.contains_key(dot)), "nothing is deleted elsewhere");
    cluster.heal().unwrap();
    assert_eq!(cluster.view(0).register(&key("lost")), Some("lost".into()));
}

#[test]
fn counters_are_summed_and_concurrent_values_stay_so() {
    let mut cluster = Cluster::new(2);
    let first = cluster.write(0, |tx| tx.put_multi(&key("multi"), "a".into()));
    let counted = cluster.write(0, |tx| tx.add(&key("n"), 5));
    let second = cluster.write(1, |tx| tx.put_multi(&key("multi"), "b".into()));
    cluster.receive(1, 0, &counted);
    let reset = cluster.write(1, |tx| tx.remove(&key("n")));
    let more = cluster.write(0, |tx| tx.add(&key("n"), 2));
    let own = cluster.write(1, |tx| tx.add(&key("n"), 10));
    [&first, &more].into_iter().for_each(|batch| _ = cluster.receive(1, 0, batch));
    [&second, &reset, &own].into_iter().for_each(|batch| _ = cluster.receive(0, 1, batch));
    assert_eq!(cluster.view(0).counter(&key("n")), Some(12));
    check_rewritten(&mut cluster, 0).unwrap();
    let fresh = rewritten(&mut cluster, 0);
    assert_eq!(fresh.view(0).multi(&key("multi")).len(), 2);
}
