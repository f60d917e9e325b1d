//! The broadcast's state machines on graphs of their own: no overlay, no replicas.

mod given;
mod grove;
mod grown;
mod lost;
mod malice;
mod trees;
