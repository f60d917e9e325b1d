//! What the systems that Damson unites promise their users, each through the public API and on three nodes or more.
//! `docs/contracts.md` names these tests.

mod cluster;
mod groups;
mod handles;
mod publishers;
mod replicas;
mod wire;
