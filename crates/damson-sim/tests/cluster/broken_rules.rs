//! The same scenario, with one rule of the replica broken: an ordinary invariant has to find it.

use damson_crdt::Rule;
use damson_sim::{ClusterOptions, run_cluster};

/// As `damson sim cluster --break RULE` runs it, seed by seed up to the first finding.
fn is_found(rule: Rule) -> bool {
    let options = |seed| {
        let (break_rule, violations_max) = (Some(rule), Some(1));
        ClusterOptions { seed, break_rule, violations_max, ..ClusterOptions::default() }
    };
    (1..=8).any(|seed| run_cluster(&options(seed), &mut |_| ()).violations > 0)
}

#[test]
fn every_broken_rule_is_found() {
    let unfound: Vec<&str> =
        Rule::ALL.iter().filter(|rule| !is_found(**rule)).map(|rule| rule.name()).collect();
    assert!(unfound.is_empty(), "`damson sim cluster --break RULE` finds nothing for {unfound:?}");
}
