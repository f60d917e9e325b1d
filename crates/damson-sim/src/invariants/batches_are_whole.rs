//! Rule 8: of an atomic batch a context covers all or nothing.

use super::{Finding, Scene};

const NAME: &str = "batches_are_whole";

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    let torn = scene.distinct().filter_map(|seen| Some((seen.at, scene.oracle.torn(seen.replica)?)));
    out.extend(torn.map(|(at, text)| Finding::at(at, NAME, text)));
}
