//! A deterministic simulator of a Damson cluster.
//!
//! It runs the very `Node` that a server runs, hundreds of them, on virtual clocks, networks and disks, lets accidents
//! happen, and holds what comes out against what was written. The same options give the same run, byte for byte:
//! [`Report::trace_hash`] says so.
//!
//! ```text
//!   scenario --> world --> node (the real one) --> effects --> network, disk
//!                  |                                               |
//!                oracle <---- every batch issued            events, in virtual time
//!                  |
//!             invariants ---> Report
//! ```
//!
//! [`run_overlay`] is another simulation, in a leaner world: the experiment of the overlay's papers, with tens of thousands
//! of nodes. [`run_liveness`] watches failure detection in the same world, and
//! [`run_publisher`] counts what updates of a publisher cost the node that publishes. [`mod@bench`] measures the core itself.
//!
//! To see that the invariants bite, break a rule of the replica on purpose ([`ClusterOptions::break_rule`]): the same
//! scenario, looked at by the same invariants, must then find something.

pub mod bench;

mod clock;
mod dice;
mod disk;
mod faults;
mod host;
mod invariants;
mod liar;
mod liveness;
#[cfg(test)]
mod majorities;
#[cfg(test)]
mod named;
mod network;
mod options;
mod oracle;
mod overlay;
mod picture;
mod publisher;
mod queue;
mod report;
mod run;
mod scenario;
mod swarm;
mod trace;
mod workload;
mod world;

pub use damson_crdt::Rule;
pub use liveness::{CrashNotice, LivenessOptions, LivenessReport, LivenessRun, run_liveness};
pub use options::ClusterOptions;
pub use overlay::{Detect, OverlayOptions, OverlayReport, OverlayRun, Senders, Trees, run_overlay};
pub use publisher::{PublisherOptions, PublisherReport, PublisherRun, PublisherSize, run_publisher};
pub use report::{Progress, Report, Violation};
pub use run::{run_cluster, run_cluster_dumping};
pub use swarm::{Sent, SwarmProgress};
