//! Comparisons of few keys: their figures are there, and they can be believed. How great they are is no matter of tests.

mod engine;
mod figures;
mod sync;
