//! Rule 1: what is alive was seen.

use super::{Finding, Scene};

const NAME: &str = "live_is_in_context";

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    for (at, replica) in scene.replicas() {
        if let Some((dot, id)) = replica.dots().find(|(dot, _)| !replica.context().contains(*dot)) {
            out.push(Finding::at(at, NAME, format!("{dot:?} is alive in {id:?} and outside the context")));
        }
    }
}
