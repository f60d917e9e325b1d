//! Rule 1: what is alive was seen.

use super::{Finding, Scene, Seen};

const NAME: &str = "live_is_in_context";

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    for &Seen { at, replica, .. } in scene.distinct() {
        if let Some((dot, id)) = replica.dots().find(|(dot, _)| !replica.context().contains(*dot)) {
            out.push(Finding::at(at, NAME, format!("{dot:?} is alive in {id:?} and outside the context")));
        }
    }
}
