//! What the systems that Damson unites promise their users, each through the public API and on three nodes or more.
//! `docs/contracts.md` names these tests.

mod broadcast;
mod broadcasters;
mod cluster;
mod costs;
mod counters;
mod datagrams;
mod endings;
mod examples;
mod exchanges;
mod faults;
mod given;
mod gossip;
mod groups;
mod handles;
mod keys;
mod numbers;
mod publishers;
mod replicas;
mod stage;
mod stores;
mod topics;
mod wire;
mod wires;
