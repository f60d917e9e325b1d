//! What users see: values computed from the live dots of cells.
//!
//! Views are pure functions. Which cells belong to a key is the replica's business; what they mean is decided here.

mod counter;
mod register;

pub use counter::{absorb, count, ended_up_to, reset, share, taken};
pub use register::{flag, max, values};
