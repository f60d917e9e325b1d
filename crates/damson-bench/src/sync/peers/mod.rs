//! Peers that find what differs between two sets.

mod ranges;
mod sides;
mod symbols;

pub use ranges::ranges;
pub use symbols::symbols;
