//! A lean world for thousands of real nodes: virtual time, links with delays and losses, crashes, nodes that starve.
//!
//! It stands where a node's driver stands, as the cluster simulator's world does, and leaves out what would cost too much:
//! disks write at once, wall clocks are right. An experiment starts and crashes nodes, and sees what they tell and what
//! comes over links as the world's [`Witness`].
//!
//! ```text
//!   experiment --> World --> nodes (the real ones) --> effects --> queue of events, in virtual time
//!                    |                                                |
//!                    `--> Witness <--- frames, events of nodes <------'
//! ```

mod inbox;
mod links;
mod names;
mod network;
mod progress;
mod queue;
mod traffic;
mod world;

pub use progress::SwarmProgress;
pub use traffic::Sent;

pub(crate) use names::{id_of, number_of};
pub(crate) use network::Network;
pub(crate) use progress::{JOIN_US, Teller};
pub(crate) use traffic::{Traffic, VECTOR, kind_name};
pub(crate) use world::{NEVER, Witness, World};
