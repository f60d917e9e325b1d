//! Rule 12: of the ended lives of nodes that run nothing but traces of resets is left nowhere, once all members have met.

use damson_crdt::{Leaf, Payload};

use super::{Finding, Scene};

const NAME: &str = "traces_are_removed";

pub(crate) fn check(scene: &Scene<'_>) -> Vec<Finding> {
    let mut out = Vec::new();
    for seen in scene.replicas() {
        let ended = seen.replica.cells().filter(|(id, cell)| {
            let (Leaf::Count(owner) | Leaf::TextCount(owner)) = id.path.last() else { return false };
            let is_ended = scene
                .members
                .iter()
                .any(|member| member.node.id() == owner.node && member.node.life() != owner.life);
            is_ended && cell.dots().iter().all(|live| matches!(live.payload, Payload::Seen(_)))
        });
        let left: Vec<_> = ended.map(|(id, _)| id).collect();
        if let Some(first) = left.first() {
            out.push(Finding::at(
                seen.at,
                NAME,
                format!("{} cells hold traces only, the first is {first:?}", left.len()),
            ));
        }
    }
    out
}
