//! The experiment of failure detection, with few nodes.

#[path = "liveness/experiment.rs"]
mod liveness_experiment;
