//! Rule 1, between nodes: equal contexts mean equal live dots and equal digests.

use std::collections::BTreeMap;

use damson_core::replica::Replica;

use super::{Finding, Scene};

const NAME: &str = "equal_contexts_equal_state";

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    let mut first: BTreeMap<&[u8], (usize, &Replica)> = BTreeMap::new();
    for seen in scene.replicas() {
        let (at, replica) = (seen.at, seen.replica);
        let (other, known) = *first.entry(&seen.context).or_insert((at, replica));
        let name = replica.name();
        if known.digest() != replica.digest() {
            out.push(Finding::at(
                at,
                NAME,
                format!("node {other} has seen the same in {name} and has another digest"),
            ));
        } else if !known.dots().eq(replica.dots()) {
            out.push(Finding::at(
                at,
                NAME,
                format!("node {other} has seen the same in {name}, and other dots live"),
            ));
        }
    }
}
