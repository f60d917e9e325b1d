//! Benchmarks of the core: what the engine does in a second ([`engine`]).
//!
//! They lie here, and not in the command that shows them, because here the core is at hand. The clocks are the caller's,
//! as everywhere below the I/O line; what a process holds in memory the caller measures, too.

pub mod engine;

mod entry;
mod figures;

use std::time::Duration;

/// A clock that never steps: the time since an arbitrary start.
pub type Elapsed<'a> = &'a dyn Fn() -> Duration;
