//! Typed handles: a key, or a field of a map, as a value of one type. Cheap to make and to clone; nothing is created in
//! the cluster until something is written.

mod counter;
mod counter_group;
mod flag;
mod map;
mod present;
mod register;
mod set;

pub use counter::{Counter, CounterReader, MaxRegister};
pub use counter_group::{CounterGroup, PrefixError};
pub use flag::Flag;
pub use map::Map;
pub use present::{PresentField, PresentMap};
pub use register::{MultiRegister, Register};
pub use set::Set;
