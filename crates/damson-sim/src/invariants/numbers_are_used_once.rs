//! Rules 9 and 6: an actor gives out each number once, and so a dot says one thing.

use super::Finding;
use crate::oracle::Oracle;

const NAME: &str = "numbers_are_used_once";

pub(crate) fn check(at: usize, oracle: &mut Oracle) -> Vec<Finding> {
    oracle.take_clashes().into_iter().map(|text| Finding::at(at, NAME, text)).collect()
}
