//! What anti-entropy says until two nodes are equal.

use std::time::Duration;

use damson_sim::bench::sync::{SyncBenchOptions, SyncBenchReport, SyncPath, run_sync};

fn report(keys: usize, diff: usize, path: SyncPath) -> SyncBenchReport {
    let options = SyncBenchOptions { runs: 3, ..SyncBenchOptions::new(keys, diff, path) };
    run_sync(&options, &|| Duration::ZERO, &mut |_| ()).expect("possible options")
}

#[test]
fn what_known_authors_wrote_comes_by_contexts_at_a_cost_that_follows_the_difference() {
    for path in [SyncPath::Context, SyncPath::Auto] {
        let small = report(3_000, 10, path);
        assert_eq!((small.taken.as_str(), small.fault()), ("context", None), "{small:?}");
        // Ten keys and values, and no more than what is said of them and of the authors.
        assert!((800..5_000).contains(&small.bytes), "{small:?}");
        assert!(small.payload_bytes >= 800 && small.bound_bytes > small.payload_bytes as f64, "{small:?}");
        assert!(small.ratio > 1.0, "{small:?}");
        assert!((1.0..5.0).contains(&small.round_trips), "{small:?}");
        let large = report(3_000, 100, path);
        assert!(large.bytes > 5 * small.bytes && large.bytes < 20 * small.bytes, "{large:?}");
    }
}

#[test]
fn where_the_log_has_forgotten_everything_is_taken() {
    let (context, full) = (report(3_000, 10, SyncPath::Context), report(3_000, 10, SyncPath::Full));
    assert_eq!((full.taken.as_str(), full.fault()), ("full", None), "{full:?}");
    // Both send all they hold.
    assert!(full.bytes > 2 * 3_000 * 80, "{full:?}");
    assert!(full.bytes > 20 * context.bytes && full.ratio > 20.0, "{full:?}");
    assert_eq!(full.payload_bytes, context.payload_bytes);
}

#[test]
fn where_the_log_has_forgotten_sketches_cost_what_differs() {
    let (few, many) = (report(3_000, 100, SyncPath::Sketch), report(12_000, 100, SyncPath::Sketch));
    assert_eq!((few.taken.as_str(), few.fault()), ("sketch", None), "{few:?}");
    assert!(many.bytes < few.bytes * 11 / 10, "{few:?} {many:?}");
    assert!((1.0..2.5).contains(&few.symbols_per_diff) && few.sketch_ratio < 3.0, "{few:?}");
    let context = report(3_000, 100, SyncPath::Context);
    assert_eq!(few.payload_bytes, context.payload_bytes);
    assert_eq!((context.sketch_bytes, context.symbols_per_diff), (0, 0.0), "{context:?}");
}

#[test]
fn the_actors_that_both_know_cost_nothing() {
    let report = |actors, path| {
        let options = SyncBenchOptions { runs: 3, actors, ..SyncBenchOptions::new(3_000, 10, path) };
        run_sync(&options, &|| Duration::ZERO, &mut |_| ()).expect("possible options")
    };
    for path in [SyncPath::Context, SyncPath::Sketch] {
        let (few, many) = (report(100, path), report(2_000, path));
        assert_eq!(many.taken, path.to_string(), "{many:?}");
        assert!(many.bytes < few.bytes * 11 / 10, "{few:?} {many:?}");
        let one = report(1, path);
        assert!(many.bytes < one.bytes + 1_000 && many.round_trips <= 4.5, "{one:?} {many:?}");
    }
}

#[test]
fn an_equal_pair_says_next_to_nothing() {
    let report = report(200, 7, SyncPath::Context);
    assert!((1..=16).contains(&report.equal_bytes), "{report:?}");
}

#[test]
fn what_cannot_be_measured_is_refused() {
    let options = SyncBenchOptions::new(1_000, 0, SyncPath::Sketch);
    assert!(run_sync(&options, &|| Duration::ZERO, &mut |_| ()).unwrap_err().contains("difference of 0"));
}
