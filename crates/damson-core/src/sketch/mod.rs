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
//!
//! # Bytes
//!
//! A symbol has no count, and hardly a check. The paper's symbols carry a count and eight bytes of check, so that a symbol
//! of one item is known for certain. Here a sum is taken for an item when it belongs into the symbol it was found in, when
//! the symbol's check fits, and when no other symbol contradicts; a mistake cancels later (`peel`). Far out an item belongs
//! into so few symbols that no check is needed: symbol 0 has four bytes, 1 to 127 have one, the rest none. Measured bytes for
//! each of 100 and of 1,000 differences, by how many symbols have a check:
//!
//! | checked | 100 | 1,000 |
//! |---|---|---|
//! | 32 | 12.14 | 10.02 |
//! | 64 | 11.88 | 9.80 |
//! | **128** | 12.28 | 9.67 |
//! | 256 | 12.37 | 9.74 |
//! | all | 12.38 | 10.59 |
//! | all, two bytes (reckoned) | 13.7 | 11.7 |
//!
//! With 32 a difference of 1,000 makes 79 mistakes on its way, with 128 it makes 21. As all symbols have to be zero in the end
//! and symbol 0 holds all items, a wrong difference needs mistakes that cancel everywhere and a check of 32 bits that
//! fits: less than one in 10^12 for the smallest differences and far less for others; none was seen in 18 million.
//!
//! `cargo run --release -p damson-core --example sketch_overhead` measures bytes, round trips and time of whole exchanges.
//!
//! # Mapping
//!
//! How many symbols a difference takes depends on how the share of items that a symbol holds falls with its index `i`, which is
//! about `1 / (alpha i)`. Symbols for each difference, median and 99 %, by peeling alone, in a simulation of which item is in
//! which symbol; and of how many of the first 200,000 symbols an item is in:
//!
//! | items' share and `alpha` | 10 | 100 | 1,000 | 10,000 | 100,000 | in |
//! |---|---|---|---|---|---|---|
//! | all 1/2 (the paper) | 1.60 3.40 | 1.45 1.73 | 1.38 1.45 | 1.36 1.39 | 1.36 | 24 |
//! | all 0.6 | 1.60 4.20 | 1.43 1.99 | 1.34 1.43 | 1.32 1.34 | 1.31 | 20 |
//! | 0.18 0.11, 0.56 0.68, 0.26 0.82 | 1.60 5.40 | 1.33 3.20 | 1.15 2.04 | 1.11 1.13 | 1.10 | 31 |
//! | 13/16 5/8, 3/16 1/8 | 1.60 3.90 | 1.34 1.79 | 1.23 1.30 | 1.20 1.23 | 1.20 | 31 |
//! | 13/16 3/4, 3/16 1/8 | 1.60 5.20 | 1.34 2.96 | 1.15 1.78 | 1.10 1.12 | 1.09 | 28 |
//! | **13/16 5/8, from 128 on 3/4, 3/16 1/8** | 1.60 3.90 | 1.34 1.85 | 1.18 1.29 | 1.10 1.12 | 1.09 | 29 |
//!
//! Few items in many symbols keep these from being solved one by one too early, as in other irregular codes; the limit for
//! large differences follows from density evolution. What is gained there is lost in the tail of small differences, because
//! two items with few indices may share all of them, and then stay together until one has an index of its own. So the many
//! are denser at the first 128 indices. Trying pairs of symbols at last brings ten differences down to 1.30.
//!
//! Two items still share all their symbols with a probability that falls with nearly the third power of the number of
//! symbols: of ten differences one exchange in 100 takes more than 35 symbols, one in 1,000 more than 70, one in 50,000 more
//! than 280. More symbols always help; who does not want to wait for them sends the whole set.

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
