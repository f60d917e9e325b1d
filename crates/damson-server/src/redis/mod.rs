//! Connections that speak the Redis protocol.

mod accept;
mod connection;
mod execute;
mod session;

pub(crate) use accept::accept;
pub(crate) use session::{Muting, Pending, Session};
