//! The overlay's experiment, with few nodes.

#[path = "overlay/experiment.rs"]
mod overlay_experiment;
