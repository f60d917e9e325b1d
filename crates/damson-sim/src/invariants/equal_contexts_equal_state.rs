//! Rule 1, between nodes: equal contexts mean equal live dots and equal digests.

use std::collections::BTreeMap;

use damson_core::replica::Replica;
use damson_crdt::codec;

use super::{Finding, Scene};

const NAME: &str = "equal_contexts_equal_state";

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    let mut first: BTreeMap<Vec<u8>, (usize, &Replica)> = BTreeMap::new();
    for (at, replica) in scene.replicas() {
        let (other, known) = *first.entry(context_of(replica)).or_insert((at, replica));
        if known.digest() != replica.digest() {
            out.push(Finding::at(
                at,
                NAME,
                format!("node {other} has seen the same in {} and has another digest", replica.name()),
            ));
        } else if !known.dots().eq(replica.dots()) {
            out.push(Finding::at(
                at,
                NAME,
                format!("node {other} has seen the same in {}, and other dots live", replica.name()),
            ));
        }
    }
}

/// The name of a scope and what was seen in it, as bytes.
pub(super) fn context_of(replica: &Replica) -> Vec<u8> {
    let mut out = replica.name().as_str().as_bytes().to_vec();
    out.push(0);
    codec::encode_context(&mut out, replica.context());
    out
}
