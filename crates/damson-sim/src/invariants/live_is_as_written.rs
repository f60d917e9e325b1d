//! The one law: alive are the puts in the context without all that operations in the context kill.
//!
//! What is alive beyond that was *resurrected*; what is missing was *lost*. It holds at every instant on every node, not
//! only at the end.

use std::collections::BTreeSet;

use damson_crdt::Dot;

use super::{Finding, Scene, Seen};

const NAME: &str = "live_is_as_written";

/// What is wrong on any node, each dot once.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub resurrected: u64,
    pub lost: u64,
}

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    for &Seen { at, replica, .. } in scene.distinct() {
        let difference = scene.oracle.difference(replica);
        if let Some(dot) = difference.resurrected.first() {
            let all = difference.resurrected.len();
            out.push(Finding::at(
                at,
                NAME,
                format!("{dot:?} is alive and should not be ({all} in {})", replica.name()),
            ));
        }
        if let Some(dot) = difference.lost.first() {
            let all = difference.lost.len();
            out.push(Finding::at(at, NAME, format!("{dot:?} is missing ({all} in {})", replica.name())));
        }
    }
}

/// Counts what is wrong.
pub(crate) fn tally(scene: &Scene<'_>) -> Tally {
    let (mut resurrected, mut lost) = (BTreeSet::<(&str, Dot)>::new(), BTreeSet::new());
    for &Seen { replica, .. } in scene.distinct() {
        let difference = scene.oracle.difference(replica);
        let name = replica.name().as_str();
        resurrected.extend(difference.resurrected.into_iter().map(|dot| (name, dot)));
        lost.extend(difference.lost.into_iter().map(|dot| (name, dot)));
    }
    Tally { resurrected: resurrected.len() as u64, lost: lost.len() as u64 }
}
