//! The difference of two sets, at a cost that follows the difference: rateless reconciliation by coded symbols, after Yang,
//! Gilad and Alizadeh, "Practical Rateless Set Reconciliation" (SIGCOMM 2024).
//!
//! Items are keyed hashes of 64 bits. A set has an endless sequence of coded symbols, each the exclusive or of some of its
//! items. Both sides make the first ones of their own set ([`Prefix`], [`Run`]), one sends them, the other subtracts its own
//! and is left with the symbols of the difference ([`Decoder`]). It takes in more until they can be solved, about 1.1 to 1.4
//! for each difference, tells its own items apart from those of the other side, and asks for these ([`Wanted`]).
//!
//! ```text
//!   A -- hint -------------> B      B: first_batch
//!   A <-- symbols 0..16 ---- B      ten differences: done
//!   A -- Gauge ------------> B      B: batch_by_gauge
//!   A <-- symbols 16..m ---- B
//!   A -- estimate ---------> B      A: Decoder::estimate, B: next_batch; seldom more than once
//!   A <-- symbols m..n ----- B
//!   A -- Wanted -----------> B      and what only A has
//! ```

mod batches;
mod bits;
mod curve;
mod decoder;
mod estimate;
mod gauge;
mod guess;
mod mapping;
mod peel;
mod prefix;
mod queue;
mod run;
mod wanted;

pub use batches::{batch_by_gauge, first_batch, next_batch, symbols_for};
pub use decoder::{DecodeError, Decoder};
pub use gauge::Gauge;
pub use mapping::{Key, SYMBOLS_MAX};
pub use prefix::Prefix;
pub use run::{Run, RunError};
pub use wanted::{Wanted, WantedError};
