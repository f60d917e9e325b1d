//! `damson bench memory`.

use crate::figures::{Figures, run};

const TYPES: &[&str] = &[
    "register",
    "string",
    "string_set_with_end",
    "string_expire",
    "counter",
    "set_element",
    "map_field",
    "small_map_field",
    "removal",
];

#[test]
fn what_is_counted_is_near_what_is_measured() {
    let figures = Figures::of(&["memory", "--entries", "200000", "--off", "30"]);
    // With few what the allocator has in reserve would count.
    assert_eq!(figures.number("entries"), 200_000.0);
    for name in TYPES {
        let of = |what| figures.number(&format!("{name}_{what}"));
        assert!((of("counted") / of("measured") - of("ratio")).abs() < 1e-6, "{name}");
        assert!((0.7..1.3).contains(&of("ratio")), "{name}: {}", of("ratio"));
    }
    assert!(figures.number("off_max") <= 0.3);
}

#[test]
fn a_count_that_is_too_far_off_is_a_failure_and_an_unknown_type_is_named() {
    let output = run(&["memory", "--entries", "2000", "--type", "register", "--off", "0", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let output = run(&["memory", "--type", "stack"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("none of register, string"));
}
