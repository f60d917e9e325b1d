//! Sets (adding wins) and maps, also maps in maps.

use super::cluster::{Cluster, key};

fn elements(cluster: &Cluster, at: usize) -> Vec<Vec<u8>> {
    cluster.view(at).set_elements(&key("set")).map(<[u8]>::to_vec).collect()
}

#[test]
fn a_concurrent_add_wins_over_a_removal() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.set_add(&key("set"), b"a"));
    cluster.heal().unwrap();
    let (new, _) = cluster.transact(0, |tx| tx.set_add(&key("set"), b"a"));
    assert_eq!(new, Ok(false), "it was there, and is written all the same");
    cluster.write(1, |tx| tx.set_remove(&key("set"), b"a"));
    cluster.heal().unwrap();
    (0..2).for_each(|at| assert_eq!(elements(&cluster, at), [b"a"]));
}

#[test]
fn a_removal_takes_all_adds_that_it_saw() {
    let mut cluster = Cluster::new(3);
    (0..3).for_each(|at| _ = cluster.write(at, |tx| tx.set_add(&key("set"), b"a")));
    cluster.heal().unwrap();
    assert_eq!(cluster.replica(0).live_dots(), 3);
    let batch = cluster.write(1, |tx| tx.set_remove(&key("set"), b"a"));
    assert_eq!(batch.ops.len(), 1);
    cluster.heal().unwrap();
    assert!(elements(&cluster, 0).is_empty() && cluster.view(0).kind(&key("set")).is_none());
}

#[test]
fn removing_a_set_spares_what_was_added_meanwhile() {
    let mut cluster = Cluster::new(2);
    for element in [b"a", b"b"] {
        cluster.write(0, |tx| tx.set_add(&key("set"), element));
    }
    cluster.heal().unwrap();
    let batch = cluster.write(0, |tx| tx.remove(&key("set")));
    assert_eq!(batch.ops.len(), 1, "a clear is one operation");
    cluster.write(1, |tx| tx.set_add(&key("set"), b"c"));
    cluster.heal().unwrap();
    (0..2).for_each(|at| assert_eq!(elements(&cluster, at), [b"c"]));
}

#[test]
fn fields_of_a_map_are_written_independently() {
    let mut cluster = Cluster::new(2);
    let map = key("map");
    cluster.write(0, |tx| tx.put_register(&map.field(b"x"), "1".into(), None));
    cluster.write(1, |tx| tx.put_register(&map.field(b"y"), "2".into(), None));
    cluster.heal().unwrap();
    for at in 0..2 {
        let view = cluster.view(at);
        assert_eq!(
            (view.map_get(&map, b"x"), view.map_get(&map, b"y")),
            (Some("1".into()), Some("2".into()))
        );
        assert_eq!(view.map_len(&map), 2);
    }
}

#[test]
fn removing_a_map_takes_what_was_observed_at_any_depth() {
    let mut cluster = Cluster::new(2);
    let map = key("map");
    let deep = map.field(b"a").field(b"b");
    cluster.write(0, |tx| tx.put_register(&deep.field(b"c"), "1".into(), None));
    cluster.write(0, |tx| tx.set_add(&deep.field(b"set"), b"e"));
    cluster.write(0, |tx| tx.add(&deep.field(b"n"), 4));
    cluster.heal().unwrap();
    cluster.write(1, |tx| tx.add(&deep.field(b"n"), 1));
    cluster.write(0, |tx| tx.remove(&map));
    cluster.heal().unwrap();
    for at in 0..2 {
        let view = cluster.view(at);
        assert_eq!(
            view.counter(&deep.field(b"n")),
            Some(1),
            "what it had not seen survives, and nothing else"
        );
        assert_eq!(view.map_fields(&deep).collect::<Vec<_>>(), [b"n"]);
    }
}

#[test]
fn removing_a_field_leaves_its_neighbours() {
    let mut cluster = Cluster::new(2);
    let map = key("map");
    for name in [&b"x"[..], b"xy"] {
        cluster.write(0, |tx| tx.put_register(&map.field(name).field(b"in"), "1".into(), None));
    }
    cluster.heal().unwrap();
    assert_eq!(cluster.transact(1, |tx| tx.map_remove(&map, b"x")).0, Ok(true));
    assert_eq!(cluster.transact(1, |tx| tx.map_remove(&map, b"x")), (Ok(false), None));
    cluster.heal().unwrap();
    assert_eq!(cluster.view(0).map_fields(&map).collect::<Vec<_>>(), [b"xy"]);
}

#[test]
fn an_element_and_a_field_of_one_name_are_different() {
    let mut cluster = Cluster::new(2);
    cluster.write(0, |tx| tx.set_add(&key("k").field(b"set"), b"a"));
    cluster.write(1, |tx| tx.put_register(&key("k").field(b"map").field(b"a"), "v".into(), None));
    cluster.heal().unwrap();
    cluster.write(0, |tx| tx.set_remove(&key("k").field(b"set"), b"a"));
    cluster.heal().unwrap();
    assert_eq!(cluster.view(1).map_get(&key("k").field(b"map"), b"a"), Some("v".into()));
}
