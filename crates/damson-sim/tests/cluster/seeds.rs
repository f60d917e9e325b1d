//! Some seeds, and one of them twice.

use damson_sim::{ClusterOptions, Report, run_cluster};

fn run(options: &ClusterOptions) -> Report {
    run_cluster(options, &mut |_| ())
}

#[test]
fn with_all_rules_in_force_nothing_is_lost_and_nothing_comes_back() {
    for seed in 1..=4 {
        let report = run(&ClusterOptions { minutes: 5, seed, ..ClusterOptions::default() });
        assert!(report.holds(), "{}: {report:#?}", report.command);
        assert!(
            report.acked > 1_000 && report.faults.len() > 10,
            "{}: little happened: {report:#?}",
            report.command
        );
    }
}

#[test]
fn clusters_of_other_sizes_hold_too() {
    for (nodes, seed) in [(2, 1), (3, 2), (9, 3), (30, 4)] {
        let report = run(&ClusterOptions { nodes, minutes: 1, seed, ..ClusterOptions::default() });
        assert!(report.holds(), "{}: {report:#?}", report.command);
    }
}

#[test]
fn one_seed_gives_the_same_bytes_twice_and_another_gives_others() {
    let options = ClusterOptions { minutes: 2, seed: 7, ..ClusterOptions::default() };
    let (first, second) = (run(&options), run(&options));
    assert_eq!(first, second, "{}", first.command);
    let other = run(&ClusterOptions { seed: 8, ..options });
    assert_ne!(first.trace_hash, other.trace_hash);
}

#[test]
fn reports_add_up() {
    let options = |seed| ClusterOptions { nodes: 2, minutes: 1, seed, ..ClusterOptions::default() };
    let (first, second) = (run(&options(1)), run(&options(2)));
    let mut both = Report::default();
    both.merge(first.clone());
    both.merge(second.clone());
    assert_eq!((both.runs, both.acked), (2, first.acked + second.acked));
    assert_eq!(both.virtual_s, first.virtual_s + second.virtual_s);
    assert_eq!(both.command, first.command);
}

#[test]
fn everything_that_passes_a_border_can_be_written_down() {
    let options = ClusterOptions { nodes: 2, minutes: 1, ..ClusterOptions::default() };
    let mut log = Vec::new();
    let report = damson_sim::run_cluster_dumping(&options, &mut |_| (), &mut log);
    assert_eq!(report, run(&options), "a log changes nothing: {}", report.command);
    let log = String::from_utf8(log).unwrap();
    let sent = log.lines().filter(|line| line.split('\t').nth(2) == Some("send")).count();
    assert_eq!(sent as u64, report.frames);
}
