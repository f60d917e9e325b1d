//! damson

pub mod identity;
pub mod transport;
