//! `damson bench engine`.

use crate::figures::{Figures, run};

const RATES: &[&str] = &[
    "hashmap_insert_per_s",
    "hashmap_overwrite_per_s",
    "hashmap_overwrite_ready_per_s",
    "hashmap_new_per_s",
    "hashmap_get_per_s",
    "local_put_per_s",
    "get_per_s",
    "merge_per_s",
    "merge_together_per_s",
    "merge_new_per_s",
];

#[test]
fn rates_ratios_and_memory_are_there() {
    let figures = Figures::of(&["engine", "--keys", "2000", "--deltas", "1000", "--runs", "1"]);
    assert_eq!((figures.number("keys"), figures.number("runs")), (2_000.0, 1.0));
    assert_eq!(figures.text("cpu_clock"), "thread");
    figures.assert_positive(RATES);
    let ratio = |above, below| figures.number(above) / figures.number(below);
    for (name, wanted) in [
        ("merge_over_hashmap", ratio("merge_per_s", "hashmap_insert_per_s")),
        ("merge_over_hashmap_overwrite", ratio("merge_per_s", "hashmap_overwrite_per_s")),
        ("merge_new_over_hashmap", ratio("merge_new_per_s", "hashmap_new_per_s")),
        ("memory_over_hashmap", ratio("bytes_per_entry", "hashmap_bytes_per_entry")),
    ] {
        assert!((figures.number(name) / wanted - 1.0).abs() < 1e-6, "{name}");
    }
    // 80 bytes of key and value at least, and no map of anything makes a hundred times as much of them.
    for name in ["bytes_per_entry", "hashmap_bytes_per_entry"] {
        assert!((80.0..8_000.0).contains(&figures.number(name)), "{name}");
    }
}

#[test]
fn an_even_number_of_runs_is_refused() {
    let output = run(&["engine", "--runs", "4"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("no odd number"));
}

#[test]
fn without_json_there_is_a_table() {
    let output = run(&["engine", "--keys", "100", "--deltas", "100", "--runs", "1"]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(stdout.lines().any(|line| line.starts_with("merge_per_s ")), "{stdout}");
}
