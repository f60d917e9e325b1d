//! Named situations, played step by step.

use damson_core::replica::{Slot, View};
use damson_core::scope::ScopeName;
use damson_crdt::Life;

use crate::disk::Image;
use crate::options::ClusterOptions;
use crate::run::finish;
use crate::workload::Step;
use crate::world::World;

const SEED: u64 = 42;

/// A cluster that nobody disturbs.
struct Stage(World<'static>);

impl Stage {
    fn of(nodes: usize) -> Self {
        let mut world = World::new(&ClusterOptions { nodes, seed: SEED, ..ClusterOptions::default() }, None);
        world.begin();
        (0..nodes).for_each(|at| _ = world.start(at, None));
        let mut stage = Self(world);
        stage.settle();
        stage
    }

    fn settle(&mut self) {
        self.0.run_for(8_000);
    }

    fn scope(&self) -> ScopeName {
        self.0.scopes[0].clone()
    }

    fn write(&mut self, at: usize, step: Step) {
        let scope = self.scope();
        assert!(self.0.write(at, &scope, &[step]), "seed {SEED}: the write at {at} is refused");
    }

    fn add(&mut self, at: usize, n: i64) {
        self.write(at, Step::Count(Slot::key("n"), n));
    }

    fn see<R>(&self, at: usize, look: impl FnOnce(View<'_>) -> R) -> R {
        let scope = self.scope();
        look(
            self.0.node(at).and_then(|node| node.replica(&scope)).expect("it runs and has the scope").view(0),
        )
    }

    fn counter(&self, at: usize) -> Option<i64> {
        self.see(at, |view| view.counter(&Slot::key("n")))
    }

    fn everyone_counts(&self, want: Option<i64>) {
        for at in self.0.running() {
            assert_eq!(self.counter(at), want, "seed {SEED}: at {at}");
        }
    }

    fn life(&self, at: usize) -> Life {
        self.0.node(at).expect("it runs").life()
    }

    fn isolate(&mut self, at: usize) {
        (0..self.0.hosts.len()).filter(|other| *other != at).for_each(|other| self.0.network.cut(at, other));
    }

    fn heal(&mut self) {
        self.0.network.heal();
        self.settle();
    }

    /// Everything that must hold in the end does.
    fn ends_well(mut self) {
        let report = finish(&mut self.0);
        assert!(report.holds(), "seed {SEED}: {report:#?}");
    }
}

#[test]
fn a_clean_restart_keeps_the_life() {
    let mut stage = Stage::of(3);
    stage.add(0, 5);
    let life = stage.life(0);
    stage.0.stop(0);
    stage.settle();
    assert!(stage.0.start(0, None));
    stage.add(0, 2);
    stage.settle();
    assert_eq!(stage.life(0), life);
    stage.everyone_counts(Some(7));
    stage.ends_well();
}

#[test]
fn a_crash_is_a_new_life_and_loses_nothing_acknowledged() {
    let mut stage = Stage::of(3);
    stage.add(0, 5);
    let life = stage.life(0);
    stage.settle();
    stage.0.crash(0);
    stage.settle();
    assert!(!stage.0.start(0, None));
    stage.add(0, 2);
    stage.settle();
    assert_ne!(stage.life(0), life);
    stage.everyone_counts(Some(7));
    stage.ends_well();
}

#[test]
fn a_copy_of_a_cleanly_stopped_directory_is_found_out_by_its_first_peer_and_loses_nothing() {
    let mut stage = Stage::of(3);
    stage.add(0, 5);
    stage.settle();
    let copy = stage.0.stop(0).expect("it ran");
    stage.0.start(0, None);
    stage.add(0, 10);
    stage.settle();
    let life = stage.life(0);
    stage.0.stop(0);
    stage.settle();
    assert!(stage.0.is_outrun(0, &copy), "seed {SEED}: all know more than the copy");
    stage.0.replace_disk(0, copy.image);
    stage.isolate(0);
    assert!(stage.0.start(0, None), "seed {SEED}: by itself it cannot know");
    stage.add(0, 100);
    assert_eq!(stage.counter(0), Some(105), "seed {SEED}");
    stage.settle();
    assert_eq!(stage.life(0), life);
    stage.heal();
    assert_ne!(stage.life(0), life, "seed {SEED}: the first peer has told it");
    stage.everyone_counts(Some(115));
    stage.ends_well();
}

#[test]
fn a_disk_that_was_set_back_catches_up_as_a_new_life() {
    let mut stage = Stage::of(3);
    stage.add(0, 5);
    stage.settle();
    let image = Image { mark: None, ..stage.0.hosts[0].disk.image() };
    stage.add(0, 10);
    stage.settle();
    stage.0.crash(0);
    stage.0.replace_disk(0, image);
    stage.0.start(0, None);
    stage.add(0, 100);
    stage.settle();
    stage.everyone_counts(Some(115));
    stage.ends_well();
}

#[test]
fn a_wiped_disk_leaves_counters_exact() {
    let mut stage = Stage::of(3);
    stage.add(0, 5);
    stage.add(1, 1);
    stage.settle();
    stage.0.crash(0);
    stage.0.replace_disk(0, Image::empty());
    stage.0.start(0, None);
    stage.add(0, 100);
    stage.settle();
    stage.everyone_counts(Some(106));
    stage.ends_well();
}

#[test]
fn what_is_deleted_takes_away_what_dead_actors_counted() {
    for step in [
        Step::Drop(Slot::key("n")),
        Step::Drop(Slot::key("text")),
        Step::Text(Slot::key("text"), "9".into(), None),
    ] {
        let mut stage = Stage::of(4);
        for at in [0, 1] {
            stage.add(at, 5);
            stage.write(at, Step::CountText(Slot::key("text"), 5));
        }
        stage.settle();
        stage.0.bury(0);
        let (n, text) = match &step {
            Step::Text(..) => (Some(10), Some("9")),
            Step::Drop(slot) if slot.key == "n" => (None, Some("10")),
            _ => (Some(10), None),
        };
        stage.write(2, step);
        stage.settle();
        stage.everyone_counts(n);
        for at in stage.0.running() {
            let shown = stage.see(at, |view| view.text(&Slot::key("text")));
            assert_eq!(shown.as_deref(), text.map(str::as_bytes), "seed {SEED}");
        }
        stage.ends_well();
    }
}

#[test]
fn a_removal_during_a_partition_does_not_come_back() {
    let mut stage = Stage::of(3);
    let insert = |element: &'static str| Step::Insert(Slot::key("set"), element.into());
    stage.write(0, insert("a"));
    stage.write(0, insert("b"));
    stage.settle();
    stage.isolate(2);
    stage.write(0, Step::Take(Slot::key("set"), "a".into()));
    stage.write(2, insert("c"));
    stage.settle();
    // Nobody remembers the removal when the third node returns.
    (0..2).for_each(|at| stage.0.forget_removals(at, 0));
    stage.heal();
    for at in 0..3 {
        let shown: Vec<String> = stage.see(at, |view| {
            let slot = Slot::key("set");
            let mut all: Vec<String> =
                view.set_elements(&slot).map(|e| e.escape_ascii().to_string()).collect();
            all.sort_unstable();
            all
        });
        assert_eq!(shown, ["b", "c"], "seed {SEED}: at {at}");
    }
    stage.ends_well();
}

#[test]
fn a_delete_concurrent_with_an_increment_ends_at_one() {
    let mut stage = Stage::of(3);
    stage.add(0, 5);
    stage.settle();
    stage.isolate(0);
    stage.add(0, 1);
    stage.write(1, Step::Drop(Slot::key("n")));
    stage.settle();
    // The incrementing node dies as soon as one other has heard of it.
    stage.0.network.join(0, 2);
    stage.settle();
    stage.0.bury(0);
    stage.heal();
    stage.everyone_counts(Some(1));
    stage.ends_well();
}

#[test]
fn lives_that_follow_one_another_quickly_issue_no_number_twice() {
    let mut stage = Stage::of(3);
    stage.add(0, 5);
    stage.settle();
    stage.0.power_failure(0);
    stage.0.start(0, None);
    stage.add(0, 1);
    stage.0.crash(0);
    stage.0.start(0, None);
    stage.add(0, 1);
    stage.settle();
    stage.ends_well();
}

#[test]
fn a_forgotten_member_brings_nothing_back_that_nobody_else_had_seen() {
    let mut stage = Stage::of(3);
    stage.add(2, 1);
    stage.settle();
    let world = &mut stage.0;
    (0..2).for_each(|other| world.network.cut(2, other));
    stage.add(2, 100);
    stage.0.crash(2);
    // Long enough for the others to judge it.
    stage.0.run_for(30_000);
    let id = stage.0.hosts[2].id;
    assert_eq!(stage.0.call(0, |node, now, fx| node.forget_member(id, now, fx)), Some(true), "seed {SEED}");
    stage.settle();
    stage.0.network.heal();
    stage.0.start(2, None);
    stage.settle();
    assert_eq!(stage.0.faults.get("forgotten members that begin empty"), Some(&1), "seed {SEED}");
    stage.everyone_counts(Some(1));
    // It is a member like the others again.
    stage.add(2, 10);
    stage.settle();
    stage.everyone_counts(Some(11));
    let report = finish(&mut stage.0);
    assert!(report.holds(), "seed {SEED}: {report:#?}");
}
