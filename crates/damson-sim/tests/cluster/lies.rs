//! A member that lies: nothing of it may harm the others, or the node beside which it lies.

use std::collections::BTreeSet;

use damson_sim::{ClusterOptions, Report, run_cluster};

/// How many kinds there are: see `liar/pushes.rs`, `liar/chatter.rs`, `liar/answers.rs`.
const KINDS: usize = 38;

#[test]
fn clusters_hold_with_a_member_that_tells_every_kind_of_lie() {
    let mut all = Report::default();
    for seed in 11..=13 {
        let report = run_cluster(&ClusterOptions { seed, ..ClusterOptions::default() }, &mut |_| ());
        assert!(report.holds(), "{}: {report:#?}", report.command);
        all.merge(report);
    }
    let told: BTreeSet<&String> = all.faults.keys().filter(|name| name.starts_with("lies: ")).collect();
    assert_eq!(told.len(), KINDS, "{told:#?}");
}
