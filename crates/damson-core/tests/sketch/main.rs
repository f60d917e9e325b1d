//! Reconciliation of sets by coded symbols.

mod decoding;
mod estimates;
mod hostile;
mod overhead;
mod prefix;
mod sets;
mod wanted;
