//! Figures of small runs, and that they can be believed.

use damson_sim::{CrashNotice, LivenessOptions, LivenessReport, LivenessRun, run_liveness};

fn small() -> LivenessOptions {
    LivenessOptions { nodes: 30, minutes: 1, ..LivenessOptions::default() }
}

fn run(options: &LivenessOptions) -> LivenessRun {
    run_liveness(options, &mut |_| ()).expect("possible options")
}

fn report(options: &LivenessOptions) -> LivenessReport {
    run(options).report()
}

#[test]
fn a_crash_is_detected_and_agreed_on_and_nobody_else_is_judged() {
    for detect in [CrashNotice::Silent, CrashNotice::Instant] {
        let report = report(&LivenessOptions { kill: 2, detect, ..small() });
        let command = &report.command;
        assert!(report.settled && report.members_agree, "{command}: {report:#?}");
        assert_eq!(report.faults(), Vec::<String>::new(), "{command}");
        assert_eq!((report.false_deaths, report.suspicions, report.refutations), (0, 0, 0), "{command}");
        let (detect_max, agree_max) = (report.detect_ms_max.unwrap(), report.agree_ms_max.unwrap());
        assert!(report.detect_ms_mean.unwrap() <= detect_max && detect_max <= agree_max, "{command}");
        // A suspect has 1.5 s to refute; nothing can be known before.
        assert!((1_500.0..30_000.0).contains(&detect_max) && agree_max < 30_000.0, "{command}: {report:#?}");
        assert!(report.bytes_per_node_per_s > 0.0 && report.virtual_s > 60.0, "{command}");
    }
}

#[test]
fn without_a_crash_there_is_nothing_to_know() {
    let report = report(&LivenessOptions { kill: 0, delay_us: (1_000, 40_000), ..small() });
    assert_eq!((report.killed, report.not_agreed, report.false_deaths), (0, 0, 0), "{}", report.command);
    assert_eq!((report.detect_ms_max, report.agree_ms_mean), (None, None));
    assert!(report.members_agree && report.faults().is_empty());
}

#[test]
fn one_seed_gives_the_same_run_twice_and_another_gives_another() {
    let options = LivenessOptions { kill: 3, starve: 3, loss_pct: 2.0, delay_us: (1_000, 9_000), ..small() };
    let (first, second) = (report(&options), report(&options));
    assert_eq!(first, second);
    assert_eq!(first.starved, 3);
    let other = report(&LivenessOptions { seed: 2, ..options });
    assert_ne!(first.trace_hash, other.trace_hash);
}

#[test]
fn a_network_that_loses_most_frames_makes_false_deaths_and_they_are_counted() {
    let report = report(&LivenessOptions { loss_pct: 60.0, kill: 0, ..small() });
    let command = &report.command;
    assert!(report.suspicions > 0 && report.refutations > 0, "{command}: {report:#?}");
    assert!(report.false_deaths > 0, "{command}: {report:#?}");
    assert!(report.faults()[0].contains("false deaths"), "{command}");
}

#[test]
fn starvation_is_another_run_in_which_inputs_wait() {
    let calm = report(&LivenessOptions { kill: 0, ..small() });
    let starved = report(&LivenessOptions { kill: 0, starve: 5, ..small() });
    assert_ne!(calm.trace_hash, starved.trace_hash);
    assert_eq!(starved.frames_dropped, 0, "{}", starved.command);
}

#[test]
fn impossible_options_are_refused_with_the_reason() {
    let refused = |options: LivenessOptions| run_liveness(&options, &mut |_| ()).err().expect("refused");
    assert!(refused(LivenessOptions { kill: 20, starve: 9, ..small() }).contains("2 must be left"));
    assert!(refused(LivenessOptions { minutes: 0, ..small() }).contains("at least 1"));
    assert!(refused(LivenessOptions { loss_pct: 100.0, ..small() }).contains("100"));
    assert!(refused(LivenessOptions { delay_us: (2, 1), ..small() }).contains("greater"));
}

#[test]
fn the_evidence_says_the_same_as_the_figures() {
    let run = run(&LivenessOptions { kill: 1, starve: 2, ..small() });
    let report = run.report();
    let mut evidence = Vec::new();
    run.write_evidence(&mut evidence).unwrap();
    let evidence = String::from_utf8(evidence).unwrap();
    let lines = |start: &'static str| evidence.lines().filter(move |line| line.starts_with(start));
    assert_eq!((lines("{\"run\":").count(), lines("{\"starved\":").count()), (1, 2));
    assert_eq!(lines("{\"roster_of\":").count(), 29);
    assert_eq!(lines("{\"at_start\":").count(), 0, "all had settled");
    let number = |line: &str, field: &str| -> u64 {
        let (_, rest) = line.split_once(&format!("\"{field}\":")).expect(field);
        rest.split([',', '}']).next().unwrap().parse().expect(field)
    };
    let crash = lines("{\"crash\":").next().unwrap();
    let died_us = number(crash, "at_us");
    let dead = lines("{\"change\":\"dead\"").filter(|line| number(line, "member") == number(crash, "crash"));
    let after_ms: Vec<f64> = dead.map(|line| (number(line, "at_us") - died_us) as f64 / 1e3).collect();
    assert_eq!(after_ms.len(), 29, "{}", report.command);
    assert_eq!(after_ms.iter().copied().reduce(f64::min), report.detect_ms_max);
    assert_eq!(after_ms.iter().copied().reduce(f64::max), report.agree_ms_max);
}
