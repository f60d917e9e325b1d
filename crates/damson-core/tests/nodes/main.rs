//! Whole nodes, joined by a network of a few lines: greetings, and frames that cannot be believed.

mod bus;
mod found;
mod greeting;
mod malformed;
