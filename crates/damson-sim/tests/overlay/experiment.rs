//! Figures of small runs, and that they can be believed.

use damson_sim::{Detect, OverlayOptions, OverlayReport, OverlayRun, Senders, Trees, run_overlay};

fn small() -> OverlayOptions {
    OverlayOptions { nodes: 60, cycles: 6, messages: 10, ..OverlayOptions::default() }
}

fn run(options: &OverlayOptions) -> OverlayRun {
    run_overlay(options, &mut |_| ()).expect("possible options")
}

fn report(options: &OverlayOptions) -> OverlayReport {
    run(options).report()
}

#[test]
fn an_undisturbed_overlay_is_connected_symmetric_and_delivers_everything_once() {
    let report = report(&small());
    let command = &report.command;
    assert!(report.connected && report.asymmetric_links == 0, "{command}: {report:#?}");
    assert!(report.degree_min >= 1 && report.degree_mean <= 5.0 && report.degree_mean > 4.0, "{command}");
    let (mean, bound) = (report.avg_shortest_path.unwrap(), report.moore_bound.unwrap());
    assert!(bound <= mean && mean < bound * 1.3, "{command}: {mean} against {bound}");
    assert_eq!(report.reliability_pct, Some(100.0), "{command}");
    assert_eq!(report.held_in_time_pct, Some(100.0), "{command}");
    assert_eq!(report.delivered_eventually_pct, Some(100.0), "{command}");
    assert_eq!((report.healing_cycles, report.stranded), (Some(0), 0), "{command}");
    // A hop takes 1 ms; a message goes along shortest paths, or nearly.
    let (last, shortest) = (report.last_delivery_ms_mean.unwrap(), report.shortest_path_ms_mean.unwrap());
    assert!(last >= shortest && f64::from(report.ldh_max) >= report.ldh_mean.unwrap(), "{command}");
    assert!(report.rmr.is_some_and(|rmr| (0.0..1.0).contains(&rmr)), "{command}: {:?}", report.rmr);
    assert!(report.sent["push"].frames >= 10 * 59, "{command}");
}

#[test]
fn grown_trees_take_a_byte_and_are_as_good_as_those_by_distances() {
    let settled = OverlayOptions { nodes: 120, cycles: 12, messages: 20, ..small() };
    let by_distances = report(&OverlayOptions { trees: Trees::Distances, ..settled.clone() });
    let report = report(&OverlayOptions { trees: Trees::Grown, ..settled });
    let command = &report.command;
    assert_eq!(report.rmr, Some(0.0), "{command}");
    assert_eq!(
        (report.ldh_mean, report.reliability_pct),
        (report.eccentricity_mean, Some(100.0)),
        "{command}"
    );
    assert!((0.5..1.0).contains(&report.tree_bytes_per_node_and_source), "{command}: {report:#?}");
    assert!(by_distances.tree_bytes_per_node_and_source > 10.0);
}

#[test]
fn grown_trees_are_grafted_after_failures() {
    let options = OverlayOptions { nodes: 100, fail_pct: 30.0, trees: Trees::Grown, ..small() };
    let report = report(&options);
    assert_eq!((report.healing_cycles, report.stranded), (Some(0), 0), "{report:#?}");
    assert_eq!(
        (report.reached_of_giant, report.delivered_eventually_pct),
        (Some(1.0), Some(100.0)),
        "{report:#?}"
    );
}

#[test]
fn one_seed_gives_the_same_run_twice_and_another_gives_another() {
    let options = OverlayOptions {
        fail_pct: 30.0,
        churn: 2,
        loss_pct: 1.0,
        delay_us: (1_000, 9_000),
        detect: Detect::After(300),
        ..small()
    };
    let (first, second) = (report(&options), report(&options));
    assert_eq!(first, second);
    let other = report(&OverlayOptions { seed: 2, ..options });
    assert_ne!(first.trace_hash, other.trace_hash);
}

#[test]
fn half_of_the_nodes_fail_and_the_rest_heals() {
    for detect in [Detect::Instant, Detect::Cycle] {
        let options = OverlayOptions { fail_pct: 50.0, detect, ..small() };
        let report = report(&options);
        let command = &report.command;
        assert_eq!((report.failures, report.living_at_end), (30, 30), "{command}");
        assert_eq!(report.giant_component_pct, 100.0, "{command}");
        assert!(report.healing_cycles.is_some_and(|cycles| cycles <= 3), "{command}: {report:#?}");
        assert_eq!(report.stranded, 0, "{command}");
        assert_eq!(report.delivered_eventually_pct, Some(100.0), "{command}");
    }
}

#[test]
fn newcomers_take_the_places_of_the_crashed() {
    let options = OverlayOptions { churn: 3, messages: 20, senders: Senders::One, ..small() };
    let report = report(&options);
    assert_eq!(report.living_at_end, 60, "{}", report.command);
    assert!(report.reliability_pct.is_some_and(|pct| pct > 90.0), "{}: {report:#?}", report.command);
}

#[test]
fn losses_show() {
    let options = OverlayOptions { loss_pct: 20.0, messages: 5, ..small() };
    let (calm, lossy) = (report(&OverlayOptions { messages: 5, ..small() }), report(&options));
    let grafts = |report: &OverlayReport| report.sent.get("graft").map_or(0, |sent| sent.frames);
    assert!(grafts(&lossy) > grafts(&calm), "{}: {:?}", lossy.command, lossy.sent);
}

#[test]
fn impossible_options_are_refused_with_the_reason() {
    let refused = |options: OverlayOptions| run_overlay(&options, &mut |_| ()).err().expect("refused");
    assert!(refused(OverlayOptions { nodes: 1, ..small() }).contains("at least 2"));
    assert!(refused(OverlayOptions { fail_pct: 100.0, ..small() }).contains("100"));
    assert!(refused(OverlayOptions { churn: 60, ..small() }).contains("living"));
    assert!(refused(OverlayOptions { delay_us: (2, 1), ..small() }).contains("greater"));
}

#[test]
fn the_evidence_says_the_same_as_the_figures() {
    let run = run(&OverlayOptions { fail_pct: 20.0, ..small() });
    let report = run.report();
    let mut evidence = Vec::new();
    run.write_evidence(&mut evidence).unwrap();
    let evidence = String::from_utf8(evidence).unwrap();
    let lines = |start: &str| evidence.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(lines("{\"node\":"), 60);
    let dead = evidence.lines().filter(|line| line.starts_with("{\"node\":") && !line.ends_with("null}"));
    assert_eq!(dead.count(), 12);
    let settled = evidence.lines().filter(|line| line.contains("\"at\":\"settled\"")).count();
    assert_eq!(settled as f64 * 2.0 / 60.0, report.degree_mean);
    let reached = lines("{\"delivered\":") + lines("{\"message\":");
    let probes = evidence.lines().filter(|line| line.contains("\"probe\":true")).count();
    assert!(probes > 0 || reached == 10 * 48, "{} deliveries", lines("{\"delivered\":"));
    let plot = run.plot();
    assert!(plot.starts_with("<svg") && plot.contains("Reliability"));
    assert_eq!(plot.matches("<circle").count(), 5 * 10, "five rows of dots, a dot for each message");
}
