//! The same scenario, with one rule of the replica broken: an ordinary invariant has to find it.

use damson_crdt::Rule;
use damson_sim::{ClusterOptions, run_cluster};

/// As `damson sim cluster --break RULE` runs it, up to the first finding.
fn is_found(rule: Rule) -> bool {
    let options =
        ClusterOptions { break_rule: Some(rule), violations_max: Some(1), ..ClusterOptions::default() };
    run_cluster(&options, &mut |_| ()).violations > 0
}

#[test]
fn every_broken_rule_is_found() {
    let unfound: Vec<&str> =
        Rule::ALL.iter().filter(|rule| !is_found(**rule)).map(|rule| rule.name()).collect();
    assert!(unfound.is_empty(), "`damson sim cluster --break RULE` finds nothing for {unfound:?}");
}
