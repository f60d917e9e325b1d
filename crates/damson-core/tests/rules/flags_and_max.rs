//! Flags and registers that keep the greatest number.

use damson_crdt::Kind;

use super::cluster::{Cluster, key};

fn concurrent_flag(kind: Kind, start: bool) -> Option<bool> {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.set_flag(&key("flag"), kind, start));
    cluster.heal().unwrap();
    cluster.write(0, |tx| tx.set_flag(&key("flag"), kind, true));
    cluster.write(1, |tx| tx.set_flag(&key("flag"), kind, false));
    cluster.heal().unwrap();
    cluster.view(0).flag(&key("flag"))
}

#[test]
fn of_concurrent_changes_of_a_flag_its_kind_says_which_wins() {
    for start in [true, false] {
        assert_eq!(concurrent_flag(Kind::EnableWins, start), Some(true));
        assert_eq!(concurrent_flag(Kind::DisableWins, start), Some(false));
    }
}

#[test]
fn a_flag_obeys_the_last_change_that_has_seen_the_others() {
    for kind in [Kind::EnableWins, Kind::DisableWins] {
        let mut cluster = Cluster::new(2);
        for on in [true, false, true] {
            cluster.write(0, |tx| tx.set_flag(&key("flag"), kind, on));
            cluster.heal().unwrap();
            assert_eq!(cluster.view(1).flag(&key("flag")), Some(on));
        }
        cluster.write(1, |tx| tx.remove(&key("flag")));
        cluster.heal().unwrap();
        assert_eq!(cluster.view(0).flag(&key("flag")), None);
    }
}

#[test]
fn a_max_register_shows_the_greatest_of_concurrent_numbers() {
    let mut cluster = Cluster::new(3);
    for (at, n) in [3, 9, -4].into_iter().enumerate() {
        cluster.write(at, |tx| tx.put_max(&key("max"), n));
    }
    cluster.heal().unwrap();
    (0..3).for_each(|at| assert_eq!(cluster.view(at).max(&key("max")), Some(9)));
    cluster.transact(2, |tx| tx.put_max(&key("max"), 5)).0.unwrap();
    cluster.heal().unwrap();
    assert_eq!(cluster.view(0).max(&key("max")), Some(9));
}

#[test]
fn after_its_removal_a_max_register_starts_again() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.put_max(&key("max"), 9));
    cluster.heal().unwrap();
    cluster.write(1, |tx| tx.remove(&key("max")));
    cluster.write(1, |tx| tx.put_max(&key("max"), 2));
    cluster.heal().unwrap();
    assert_eq!(cluster.view(0).max(&key("max")), Some(2));
}
