//! Reconciliation of sets by coded symbols.

mod decoding;
mod estimates;
mod hostile;
mod prefix;
mod sets;
