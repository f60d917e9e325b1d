//! What a publisher's updates cost its node, with few nodes.

#[path = "publisher/experiment.rs"]
mod publisher_experiment;
