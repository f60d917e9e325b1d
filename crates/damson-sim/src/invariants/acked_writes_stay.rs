//! An acknowledged write is never lost: in the end every node has seen it, unless the only disks that held it were lost.

use super::{Finding, Scene, Seen};

const NAME: &str = "acked_writes_stay";

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    for &Seen { at, replica, .. } in scene.distinct() {
        let unseen = scene.oracle.unseen(replica.name(), replica.context());
        if let Some(first) = unseen.first() {
            let all = unseen.len();
            out.push(Finding::at(
                at,
                NAME,
                format!("{all} acknowledged writes are missing, the first is {first}"),
            ));
        }
    }
}

/// Acknowledged writes that some node has not seen.
pub(crate) fn lost_writes(scene: &Scene<'_>) -> u64 {
    let of = |replica: &damson_core::replica::Replica| {
        scene.oracle.unseen(replica.name(), replica.context()).len()
    };
    scene.distinct().map(|seen| of(seen.replica)).max().unwrap_or(0) as u64
}
