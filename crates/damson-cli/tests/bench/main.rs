//! Small benchmarks: their figures are there, and they can be believed. How great they are is no matter of tests.

mod cluster;
mod disk;
mod engine;
mod figures;
mod memory;
mod sync;
