//! Damson's protocols as state machines without I/O.
pub mod persist;
