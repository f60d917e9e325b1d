//! `damson-bench engine`.

use crate::figures::{Figures, PEERS, run};

#[test]
fn times_and_memory_of_both_stand_side_by_side() {
    let figures = Figures::of(&["engine", "--keys", "2000", "--runs", "1"]);
    assert_eq!((figures.parameter("keys"), figures.parameter("runs")), (&2_000.into(), &1.into()));
    figures.both("put_ns", "chitchat");
    figures.both("set_add_ns", "crdts");
    let (ours, theirs) = figures.both("merge_ns", "crdts");
    // A whole set is more than an element of it.
    assert!(theirs.is_none_or(|theirs| theirs > ours));
    // Keys, values and elements are there at least, and nothing makes a hundred times as much of them.
    for (name, peer, least) in [("put_bytes", "chitchat", 80.0), ("set_add_bytes", "crdts", 16.0)] {
        let (ours, theirs) = figures.both(name, peer);
        for bytes in [Some(ours), theirs].into_iter().flatten() {
            assert!((least..100.0 * least).contains(&bytes), "{name}: {bytes}");
        }
    }
}

#[test]
fn without_json_there_is_a_table() {
    let output = run(&["engine", "--keys", "100", "--runs", "1"]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let line =
        stdout.lines().find(|line| line.starts_with("merge_ns ")).unwrap_or_else(|| panic!("{stdout}"));
    assert!(line.contains("crdts") && line.contains(">= 1000"), "{stdout}");
    assert_eq!(stdout.contains("not built"), !PEERS, "{stdout}");
}

#[test]
fn an_even_number_of_runs_is_refused() {
    let output = run(&["engine", "--runs", "4"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no odd number"));
}
