//! Registers and flags.

use bytes::Bytes;

use crate::cell::Cell;
use crate::payload::Payload;

/// The values of a multi-value register: all concurrent ones, in order of their dots.
pub fn values(cell: &Cell) -> impl Iterator<Item = &Bytes> {
    cell.dots().iter().filter_map(|live| match &live.payload {
        Payload::Value { bytes, .. } => Some(bytes),
        _ => None,
    })
}

/// The greatest number written.
pub fn max(cell: &Cell) -> Option<i64> {
    cell.dots()
        .iter()
        .filter_map(|live| if let Payload::Max(n) = live.payload { Some(n) } else { None })
        .max()
}

/// A flag: among concurrent writes the one equal to `winner` wins. `None` when it was never set, or was deleted.
pub fn flag(cell: &Cell, winner: bool) -> Option<bool> {
    let mut states = cell.dots().iter().filter_map(|live| match live.payload {
        Payload::Flag(on) => Some(on),
        _ => None,
    });
    let first = states.next()?;
    Some(if states.any(|on| on == winner) { winner } else { first })
}
