//! Figures of small runs, and that they can be believed.

use damson_sim::{PublisherOptions, PublisherReport, PublisherRun, run_publisher};

/// The default of the overlay.
const ACTIVE_VIEW: usize = 5;

fn small() -> PublisherOptions {
    PublisherOptions { nodes: vec![10, 60], updates: 200, ..PublisherOptions::default() }
}

fn run(options: &PublisherOptions) -> PublisherRun {
    run_publisher(options, &mut |_| ()).expect("possible options")
}

fn report(options: &PublisherOptions) -> PublisherReport {
    run(options).report()
}

#[test]
fn an_update_costs_its_node_as_many_payloads_as_it_has_neighbours_however_many_nodes_there_are() {
    let report = report(&small());
    let command = &report.command;
    assert_eq!(report.faults(), Vec::<String>::new(), "{command}");
    for size in &report.sizes {
        assert!(size.settled && size.neighbours <= ACTIVE_VIEW, "{command}: {size:#?}");
        assert!(size.payloads.frames <= (ACTIVE_VIEW * size.batches) as u64, "{command}: {size:#?}");
        assert!(size.payloads.frames >= 200, "{command}: {size:#?}");
        assert_eq!((size.lacking, size.broadcast_to_all), (0, 200), "{command}: {size:#?}");
        assert!(size.reached_ms_max.unwrap() < 20.0, "{command}: {size:#?}");
    }
    assert!(report.payload_frames_ratio <= 1.25, "{command}: {report:#?}");
    assert!(report.payload_bytes_ratio <= 1.25, "{command}: {report:#?}");
}

/// As `crates/damson/tests/contracts/costs.rs` sees a publisher do it.
#[test]
fn what_is_written_is_what_a_publisher_writes() {
    let options = PublisherOptions { nodes: vec![3], updates: 320, bytes: 16, ..PublisherOptions::default() };
    let mut evidence = Vec::new();
    run(&options).write_evidence(&mut evidence).unwrap();
    let evidence = String::from_utf8(evidence).unwrap();
    let written = evidence.lines().filter(|line| line.starts_with("{\"written\":"));
    let operations = written.map(|line| {
        let (_, rest) = line.split_once("\"operations\":").unwrap();
        rest.split(',').next().unwrap().parse::<usize>().unwrap()
    });
    let mut wanted = [vec![1; 158], vec![159], vec![1; 158], vec![159]].concat();
    wanted.extend([1; 4]);
    assert_eq!(operations.collect::<Vec<_>>(), wanted, "158 updates of 26 bytes are more than 4 KiB");
}

#[test]
fn one_seed_gives_the_same_run_twice_and_another_gives_another() {
    let options = PublisherOptions { nodes: vec![10], delay_us: (1_000, 9_000), ..small() };
    let (first, second) = (report(&options), report(&options));
    assert_eq!(first, second);
    let other = report(&PublisherOptions { seed: 2, ..options });
    assert_ne!(first.sizes[0].trace_hash, other.sizes[0].trace_hash);
}

#[test]
fn the_evidence_says_the_same_as_the_figures() {
    let run = run(&PublisherOptions { nodes: vec![10], ..small() });
    let (report, mut evidence) = (run.report(), Vec::new());
    run.write_evidence(&mut evidence).unwrap();
    let evidence = String::from_utf8(evidence).unwrap();
    let number = |line: &str, field: &str| -> u64 {
        let (_, rest) = line.split_once(&format!("\"{field}\":")).expect(field);
        rest.split([',', '}']).next().unwrap().parse().expect(field)
    };
    let size = &report.sizes[0];
    let payloads = evidence.lines().filter(|line| line.starts_with("{\"sent\":\"payload\""));
    let (frames, bytes) =
        payloads.fold((0, 0), |(frames, bytes), line| (frames + 1, bytes + number(line, "bytes")));
    assert_eq!((frames, bytes), (size.payloads.frames, size.payloads.bytes), "{}", report.command);
    let updates: Vec<&str> =
        evidence.lines().filter(|line| line.starts_with("{\"written\":\"update\"")).collect();
    assert!(updates.iter().all(|line| number(line, "delivered") == 9), "{}", report.command);
    let took = updates.iter().map(|line| number(line, "delivered_last_us") - number(line, "at_us"));
    assert_eq!(took.max().unwrap() as f64 / 1e3, size.reached_ms_max.unwrap(), "{}", report.command);
}
