//! Once faults end, all nodes that run come to agree, in every scope, the roster's included.

use super::{Finding, Scene};

const NAME: &str = "all_nodes_converge";

/// Do all running nodes hold the same?
pub(crate) fn agree(scene: &Scene<'_>) -> bool {
    let mut digests = scene.members.iter().map(|member| member.node.whole_digest());
    let first = digests.next();
    scene.members.iter().all(|member| member.certain) && digests.all(|digest| Some(digest) == first)
}

/// The time to heal is over.
pub(crate) fn check(scene: &Scene<'_>, waited_ms: u64) -> Option<Finding> {
    let of = |member: &super::Member<'_>| {
        let dots: Vec<String> = member
            .node
            .replicas()
            .map(|r| format!("{} {} dots {}", r.name(), r.context().dots(), r.digest()))
            .collect();
        format!("node {}: {}", member.at, dots.join(", "))
    };
    let states: Vec<String> = scene.members.iter().map(of).collect();
    (!agree(scene))
        .then(|| Finding::of_all(NAME, format!("no agreement after {waited_ms} ms: {}", states.join("; "))))
}
