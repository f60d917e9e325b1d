//! Who is in the cluster, and who of them is alive.
//!
//! The *roster* is a scope like any other: one record for each member, replicated as cells. *Liveness* decides what to
//! write there: each node probes one member after the other, asks others to probe for it before it suspects, and gives
//! the suspect time to refute. Only changes travel; nobody sends heartbeats to everybody. The *overlay* decides which few
//! members each node is linked to; these are the ones that it probes.

mod liveness;
mod overlay;
mod roster;
mod tally;

pub use liveness::{Liveness, LivenessConfig, LivenessEffect};
pub use overlay::{GivenNeighbors, Overlay, OverlayConfig, OverlayCounters, OverlayEffect, OverlayInput};
pub use roster::{Member, MemberState, Roster, Running};
