//! Rule 2: a context that covers an operation covers every dot that the operation killed.

use super::{Finding, Scene};

const NAME: &str = "context_is_closed";

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    let open = scene.replicas().filter_map(|(at, replica)| Some((at, scene.oracle.unclosed(replica)?)));
    out.extend(open.map(|(at, text)| Finding::at(at, NAME, text)));
}
