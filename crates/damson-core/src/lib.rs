//! Damson's protocols as state machines without I/O.
//!
//! A [`node::Node`] is what a process of the cluster does: it holds a [`replica::Replica`] of each scope, pushes local
//! writes to its peers ([`broadcast`]), repairs what pushes missed ([`sync`]), and knows who is alive ([`membership`]).
//! It takes inputs (links, frames, time) and answers with effects (send, dial, persist); a driver in the library, or the
//! simulator, connects it to a real or a virtual world.
//!
//! Below this line there is no runtime, no socket, no file, no clock and no OS randomness. The same seed and the same
//! inputs give the same effects, byte for byte.

pub mod broadcast;
pub mod casts;
pub mod membership;
pub mod node;
pub mod persist;
pub mod replica;
pub mod scope;
pub mod sketch;
pub mod sync;
pub mod time;
pub mod wire;

pub use damson_crdt as crdt;
