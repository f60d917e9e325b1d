//! Rule 2: a context that covers an operation covers every dot that the operation killed.

use super::{Finding, Scene};

const NAME: &str = "context_is_closed";

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    let open = scene.distinct().filter_map(|seen| Some((seen.at, scene.oracle.unclosed(seen.replica)?)));
    out.extend(open.map(|(at, text)| Finding::at(at, NAME, text)));
}
