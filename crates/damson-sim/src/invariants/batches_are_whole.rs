//! Rule 8: of an atomic batch a context covers all or nothing.

use super::{Finding, Scene};

const NAME: &str = "batches_are_whole";

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    let torn = scene.replicas().filter_map(|(at, replica)| Some((at, scene.oracle.torn(replica)?)));
    out.extend(torn.map(|(at, text)| Finding::at(at, NAME, text)));
}
