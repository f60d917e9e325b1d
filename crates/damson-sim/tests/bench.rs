//! Figures of small benchmarks, and that they can be believed.

#[path = "bench/engine.rs"]
mod engine;
#[path = "bench/sync.rs"]
mod sync;
