//! chitchat: real nodes of it in this process, over its own UDP transport on loopback.
//!
//! A node of chitchat owns a map that it alone writes to, and gossips what others have of all maps: every so often it asks
//! some of them (three at most) by a digest, and both send what the other lacks, a datagram at most each way. So a put here is
//! a put into the node's own map, and everything is everywhere when each node has each other's newest version.

mod nodes;
mod transport;

pub use nodes::Nodes;
