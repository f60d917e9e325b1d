//! Limits on what one write may hold.

/// Bounds of keys, values and operations. Checked where a write is issued and again where bytes are decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest key, in bytes. Default 64 KiB.
    pub key_bytes_max: usize,
    /// Longest value, in bytes. Default 16 MiB.
    pub value_bytes_max: usize,
    /// Longest set element or field name, in bytes. Default 64 KiB, as for keys: both are addresses of cells.
    pub element_bytes_max: usize,
    /// Deepest path of nested fields. Default 8.
    pub depth_max: usize,
    /// Most operations in one atomic batch. Default 65,536.
    pub batch_ops_max: usize,
    /// Most intervals in the kills of one operation, and traces in one counter cell. Default 1,048,576: what a
    /// `clear` of a set of a million scattered elements needs.
    pub ranges_max: usize,
    /// Most actors in one context. Default 100,000.
    pub actors_max: usize,
}

/// Something is larger than allowed. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} of {got} is over the limit of {limit}; nothing was written")]
pub struct LimitError {
    /// What is too large, with its unit.
    pub what: &'static str,
    /// Its size.
    pub got: usize,
    /// The limit.
    pub limit: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            key_bytes_max: 64 << 10,
            value_bytes_max: 16 << 20,
            element_bytes_max: 64 << 10,
            depth_max: 8,
            batch_ops_max: 1 << 16,
            ranges_max: 1 << 20,
            actors_max: 100_000,
        }
    }
}

impl LimitError {
    /// Fails when `got` is over `limit`.
    pub fn check(what: &'static str, got: usize, limit: usize) -> Result<(), Self> {
        if got > limit { Err(Self { what, got, limit }) } else { Ok(()) }
    }
}
