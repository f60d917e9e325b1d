//! What users of other systems know must work here: on three nodes, through the public surface.

mod counters;
mod faults;
mod gossip;
mod stage;
mod wires;
