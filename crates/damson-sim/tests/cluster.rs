//! The simulated cluster: with all rules in force nothing is ever wrong, and with one of them broken it shows.
//!
//! A failure names the command that runs the same again.

#[path = "cluster/broken_rules.rs"]
mod broken_rules;
#[path = "cluster/lies.rs"]
mod lies;
#[path = "cluster/seeds.rs"]
mod seeds;
