//! Rules 6 and 7: nodes that have seen the same show the same, value for value and type for type.

use std::collections::BTreeMap;

use super::{Finding, Scene};
use crate::picture::picture;

const NAME: &str = "equal_state_equal_view";

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    let mut first: BTreeMap<&[u8], (usize, Vec<String>)> = BTreeMap::new();
    for seen in scene.replicas() {
        let (at, shown) = (seen.at, picture(seen.replica, scene.wall_ms));
        let (other, known) = first.entry(&seen.context).or_insert_with(|| (at, shown.clone()));
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
