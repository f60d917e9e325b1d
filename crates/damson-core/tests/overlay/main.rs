//! The overlay's state machines in a network of their own: many nodes, no replicas.

mod joins;
mod malice;
mod repair;
mod town;
