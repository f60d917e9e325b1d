//! The data layer of Damson: **a replica is a set of live dots and a causal context; everything else is a view.**
//!
//! An [`Actor`] is one life of a node's state; it numbers its mutations, and each (actor, number) is a [`Dot`]. A
//! [`CellId`] names the smallest thing that changes: a register, one element of a set, one field of a map, one actor's
//! share of a counter. A [`Cell`] is what is alive of it: dots with their payloads. A [`Context`] says which dots were
//! ever seen, as intervals. An [`Operation`] kills the dots of its cell that its author saw and may put one of its own.
//! [`Cell::join`] is the only merge there is: a dot survives when both sides have it alive, or when the other side has
//! never seen it. Because of the context no tombstone is needed: what is seen and not alive is dead.
//!
//! The state-based join over dots and contexts follows Almeida, Shoker, Baquero, "Delta state replicated data types"
//! (2018), section 7, and Bieniusa et al., "An optimized conflict-free replicated set" (2012), section 3. The views
//! (module [`view`]) turn live dots into registers, sets, counters, maps, flags and Redis strings.
//!
//! Nothing here performs input or output, reads a clock or draws a random number.

mod batch;
mod cell;
mod clock;
pub mod codec;
mod context;
mod digest;
mod dot;
mod id;
mod intervals;
mod limits;
mod path;
mod payload;
mod rules;
pub mod view;

pub use batch::{Batch, Operation, OperationFault, Target};
pub use cell::{Cell, CellId, Key, LiveDot};
pub use clock::{Clock, Hlc};
pub use context::Context;
pub use digest::{Contents, Digest, Fingerprint};
pub use dot::{Dot, DotRange, Kills};
pub use id::{Actor, IdError, Life, NodeId};
pub use intervals::Intervals;
pub use limits::{LimitError, Limits};
pub use path::{Kind, Leaf, Path, PathError, PathRef};
pub use payload::{Epoch, Payload, Taken};
pub use rules::{Rule, Rules};
