//! The bytes of contexts, cells and batches, on the wire and on disk.
//!
//! CBOR (RFC 8949) through `minicbor`: definite lengths only, arrays whose unknown trailing fields are skipped, so that
//! a newer writer can add fields. Nothing is allocated ahead of the bytes that are really there: every count is checked
//! against its limit, and collections grow as their items are read.
//!
//! ```text
//! context = [ [actor, first, count-1, gap, count-1, ...], ... ]        actor: 24 bytes
//! cell    = [ [actor, seq, hlc, payload], ... ]
//! cells   = [ [actor, ...], [key, path, [index of actor, seq - expected, hlc - previous, payload, ...], ...] ]
//! batches = [ [actor, ...], [batch, ...] ]
//! batch   = [ index of actor, first - expected, hlc - previous, [operation, ...] ]
//! operation = [ key, path or null, [index of actor, first, count-1, ...], payload or null ]
//! ```
//! In a list of batches, or of cells, a number is relative to the one that follows the actor's number before, and a time to
//! the time before: both are small for neighbours.

mod actors;
mod batch;
mod cell;
mod cells;
mod context;
mod payload;

use minicbor::Encoder;
use minicbor::data::Type;
use minicbor::decode::{Decoder, Error as CborError};

use crate::batch::OperationFault;
use crate::limits::LimitError;
use crate::path::PathError;

pub use batch::{decode_batches, encode_batches};
pub use cell::{decode_cell, decode_cell_id, decode_removal, encode_cell, encode_cell_id, encode_removal};
pub use cells::{decode_cells, encode_cells};
pub use context::{decode_context, encode_context, read_context, write_context};
pub use payload::{encode_payload, read_payload, write_payload};

/// Bytes from outside that are not what they should be. Nothing was applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// Not the CBOR that is expected here.
    #[error("malformed encoding: {0}")]
    Cbor(#[from] CborError),
    /// Well-formed, but it cannot be: intervals out of order, an unknown tag, a dangling index.
    #[error("impossible contents: {0}")]
    Impossible(&'static str),
    /// A count or length is over its limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A malformed path.
    #[error(transparent)]
    Path(#[from] PathError),
    /// An operation that no honest author issues.
    #[error(transparent)]
    Operation(#[from] OperationFault),
}

/// An encoder that cannot fail, because memory is its only medium.
pub(crate) type Out<'a> = Encoder<&'a mut Vec<u8>>;

/// Reads an array header; refuses indefinite lengths, which nothing here writes.
pub fn array(d: &mut Decoder<'_>) -> Result<u64, CodecError> {
    d.array()?.ok_or(CodecError::Impossible("an array of indefinite length"))
}

/// Reads an array of at least `known` fields and says how many unknown ones follow.
pub fn record(d: &mut Decoder<'_>, known: u64) -> Result<u64, CodecError> {
    let len = array(d)?;
    len.checked_sub(known).ok_or(CodecError::Impossible("a record with too few fields"))
}

/// Skips fields that a newer version has added.
pub fn skip(d: &mut Decoder<'_>, fields: u64) -> Result<(), CodecError> {
    (0..fields).try_for_each(|_| d.skip()).map_err(CodecError::from)
}

/// Reads a null if there is one.
pub fn null(d: &mut Decoder<'_>) -> Result<bool, CodecError> {
    let is_null = d.datatype()? == Type::Null;
    if is_null {
        d.null()?;
    }
    Ok(is_null)
}

fn count(what: &'static str, n: u64, limit: usize) -> Result<(), LimitError> {
    LimitError::check(what, usize::try_from(n).unwrap_or(usize::MAX), limit)
}

#[cfg(test)]
mod tests;
