//! Rules 6 and 7: nodes that have seen the same show the same, value for value and type for type.

use std::collections::BTreeMap;

use super::equal_contexts_equal_state::context_of;
use super::{Finding, Scene};
use crate::picture::picture;

const NAME: &str = "equal_state_equal_view";

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    let mut first: BTreeMap<Vec<u8>, (usize, Vec<String>)> = BTreeMap::new();
    for (at, replica) in scene.replicas() {
        let shown = picture(replica, scene.wall_ms);
        let (other, known) = first.entry(context_of(replica)).or_insert_with(|| (at, shown.clone()));
        if *known != shown {
            let pairs = known.iter().zip(&shown).find(|(a, b)| a != b);
            out.push(Finding::at(
                at,
                NAME,
                format!("node {other} has seen the same and shows another: {pairs:?}"),
            ));
        }
    }
}
