//! Rule 5: no time that a node gives out lies further ahead than the permitted drift allows, however wrong others are.

use damson_crdt::Batch;

use super::Finding;

const NAME: &str = "clocks_are_not_dragged";

/// `wall_ms_max` is the latest that this process has read on its own clock.
pub(crate) fn check(at: usize, batch: &Batch, wall_ms_max: u64, drift_ms_max: u64) -> Option<Finding> {
    let limit = wall_ms_max + drift_ms_max + 1;
    let ms = batch.hlc.ms();
    (ms > limit).then(|| {
        Finding::at(
            at,
            NAME,
            format!("{:?} bears a time {} ms ahead of the node's own clock", batch.range(), ms - wall_ms_max),
        )
    })
}
