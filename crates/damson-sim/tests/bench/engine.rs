//! The engine beside a hash map. The clock is the test's, so rates say nothing here but that they are defined.

use std::cell::Cell;
use std::time::Duration;

use damson_sim::bench::engine::{EngineOptions, Side, hold, run_engine};

#[test]
fn all_rates_are_defined_and_the_ratios_are_theirs() {
    let ticks = Cell::new(0);
    let clock = || {
        ticks.set(ticks.get() + 1);
        Duration::from_millis(ticks.get())
    };
    let mut begun = Vec::new();
    let options = EngineOptions { keys: 500, deltas: 120, runs: 3 };
    let report = run_engine(&options, &clock, &mut |run| begun.push(run));
    assert_eq!(begun, [0, 1, 2]);
    assert_eq!((report.keys, report.deltas, report.runs), (500, 120, 3));
    // A millisecond for each kind of work, and one for each of the three portions of new keys.
    assert_eq!(report.hashmap_insert_per_s.round(), 500_000.0);
    assert_eq!(report.local_put_per_s.round(), 500_000.0);
    assert_eq!(report.get_per_s.round(), 120_000.0);
    assert_eq!(report.merge_per_s.round(), 120_000.0);
    assert_eq!(report.merge_new_per_s.round(), 40_000.0);
    assert_eq!(report.merge_over_hashmap, 0.24);
    assert_eq!(report.merge_over_hashmap_overwrite, 1.0);
    assert_eq!(report.merge_new_over_hashmap, 1.0);
    assert_eq!(report.memory_over_hashmap, None);
}

#[test]
fn memory_is_a_ratio_of_what_was_measured() {
    let mut report =
        run_engine(&EngineOptions { keys: 10, deltas: 10, runs: 1 }, &|| Duration::ZERO, &mut |_| ());
    report.set_memory(600.0, 200.0);
    assert_eq!(report.memory_over_hashmap, Some(3.0));
}

#[test]
fn small_maps_are_held_several_times() {
    for side in [Side::HashMap, Side::Engine] {
        assert_eq!(hold(side, 30_000).entries(), 120_000);
    }
}
