//! A node that did what was due has its next deadline ahead: otherwise its driver would spin.

use super::Finding;

const NAME: &str = "timers_move_on";

/// Ticks in a row that may leave a deadline behind them.
const SPINS_MAX: u32 = 50;

pub(crate) fn check(at: usize, spins: u32) -> Option<Finding> {
    (spins == SPINS_MAX)
        .then(|| Finding::at(at, NAME, format!("{SPINS_MAX} ticks in a row left a deadline in the past")))
}
