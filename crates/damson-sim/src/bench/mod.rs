//! Benchmarks of the core: what the engine does in a second ([`engine`]), what entries take in memory ([`memory`]), and what
//! anti-entropy costs ([`sync`]).
//!
//! They lie here, and not in the command that shows them, because only here the core and a virtual network meet. The
//! clocks are the caller's, as everywhere below the I/O line; what a process holds in memory the caller measures, too.

pub mod engine;
pub mod memory;
pub mod sync;

mod entry;
mod figures;
mod smallest;

use std::time::Duration;

pub use figures::percentile_ms;
pub use smallest::smallest_put_bytes;

/// A clock that never steps: the time since an arbitrary start.
pub type Elapsed<'a> = &'a dyn Fn() -> Duration;
