//! In the end every running node sees every running node alive.

use damson_core::membership::MemberState;

use super::{Finding, Scene};

const NAME: &str = "roster_agrees";

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    for member in &scene.members {
        for other in &scene.members {
            let state = member.node.roster().get(other.node.id()).map(|record| record.state);
            if state != Some(MemberState::Alive) {
                let text = format!("node {} runs, and is {state:?} in the roster", other.at);
                out.push(Finding::at(member.at, NAME, text));
            }
        }
    }
}

/// Does every running node see every running node alive?
pub(crate) fn complete(scene: &Scene<'_>) -> bool {
    let mut out = Vec::new();
    check(scene, &mut out);
    out.is_empty()
}
