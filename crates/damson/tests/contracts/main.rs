//! What users of other systems know must work here: on three nodes, through the public surface.

mod broadcasters;
mod datagrams;
mod examples;
mod stores;
