//! Damson's protocols as state machines without I/O.
pub mod persist;
pub mod replica;
pub mod scope;
pub mod time;
