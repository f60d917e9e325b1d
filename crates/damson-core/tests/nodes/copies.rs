//! Copies of a running node's rows, which others are started on.

use damson_core::persist::Table;
use damson_core::replica::Slot;

use crate::bus::{Bus, Rows, scope};

/// What a backup has of a disk: all but what belongs to the node itself.
fn copy_of(bus: &Bus, at: usize) -> Rows {
    let shared = bus.rows[at].iter().filter(|((table, _), _)| *table != Table::Meta);
    shared.map(|(key, value)| (key.clone(), value.clone())).collect()
}

fn add(bus: &mut Bus, at: usize, n: i64) {
    bus.write(at, |tx| _ = tx.add(&Slot::key("n"), n).unwrap());
}

fn count(bus: &mut Bus, at: usize) -> i64 {
    let wall_ms = bus.now().wall_ms;
    bus.node(at).replica(&scope()).map_or(0, |r| r.view(wall_ms).counter(&Slot::key("n")).unwrap_or(0))
}

/// A peer that knows of 15, and an old image of another node, started again, that knows of 5 of them.
fn an_old_image(bus: &mut Bus) -> (usize, usize) {
    let peer = bus.start(1, Rows::new(), None, 1);
    let original = bus.start(2, Rows::new(), None, 2);
    bus.link(original, peer);
    add(bus, original, 5);
    bus.run(2_000);
    let mark = bus.node(original).stop_mark();
    let image = bus.rows[original].clone();
    add(bus, original, 10);
    bus.run(2_000);
    bus.crash(original);
    bus.run(5_000);
    let again = bus.start(2, image, Some(&mark), 6);
    (peer, again)
}

#[test]
fn a_copy_of_unconfirmed_writes_counts_them_once_after_a_new_life() {
    let mut bus = Bus::default();
    let (peer, image) = an_old_image(&mut bus);
    add(&mut bus, image, 100);
    let life = bus.node(image).life();
    assert!(bus.call(image, |node, now, fx| node.settle_life(now, fx)));
    assert_ne!(bus.node(image).life(), life);
    let copy = copy_of(&bus, image);
    add(&mut bus, image, 1_000);
    bus.link(image, peer);
    let restored = bus.start(3, copy, None, 7);
    assert_eq!(count(&mut bus, restored), 105);
    bus.link(restored, peer);
    bus.run(5_000);
    assert_eq!([peer, image, restored].map(|at| count(&mut bus, at)), [1_115; 3]);
    let digests = [peer, image, restored].map(|at| bus.node(at).digest());
    assert_eq!(digests, [digests[0]; 3]);
}

#[test]
fn a_life_without_unconfirmed_writes_goes_on_when_it_is_copied() {
    let mut bus = Bus::default();
    let (peer, image) = an_old_image(&mut bus);
    let life = bus.node(image).life();
    assert!(!bus.call(image, |node, now, fx| node.settle_life(now, fx)), "nothing was written yet");
    assert_eq!(bus.node(image).life(), life);
    bus.link(image, peer);
    bus.run(2_000);
    add(&mut bus, image, 100);
    assert!(!bus.call(image, |node, now, fx| node.settle_life(now, fx)), "the peer has told what it knows");
    assert_eq!(count(&mut bus, image), 115);
}

#[test]
fn nothing_leaves_before_the_new_life_of_what_was_unconfirmed_is_on_disk() {
    let mut bus = Bus::default();
    let (peer, image) = an_old_image(&mut bus);
    add(&mut bus, image, 100);
    bus.lazy_disk = true;
    bus.call(image, |node, now, fx| node.settle_life(now, fx));
    bus.link(image, peer);
    bus.run(2_000);
    assert_eq!(count(&mut bus, peer), 15);
    bus.flush(image);
    bus.lazy_disk = false;
    bus.run(2_000);
    assert_eq!(count(&mut bus, peer), 115);
}
