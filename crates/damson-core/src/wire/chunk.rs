//! The bytes of a part of a state transfer.
//!
//! ```text
//! chunk = [ [key, path, cell, ...], [cleared key, ...], last or null, [removal, ...] ]
//! last  = [ whole, context, floor, digest ]
//! ```

use damson_crdt::codec::{self, CodecError, array, null, record, skip};
use damson_crdt::{Digest, LimitError, Limits};
use minicbor::Encoder;
use minicbor::decode::Decoder;

use crate::replica::{Chunk, Last};

/// Encodes a part of a transfer.
pub fn encode_chunk(chunk: &Chunk) -> Vec<u8> {
    let mut out = Vec::new();
    let mut e = Encoder::new(&mut out);
    e.array(4).and_then(|e| e.array(3 * chunk.cells.len() as u64)).expect("memory");
    for (id, cell) in &chunk.cells {
        let e = &mut Encoder::new(&mut out);
        codec::encode_cell_id(e, id);
        codec::encode_cell(&mut out, cell);
    }
    let e = &mut Encoder::new(&mut out);
    e.array(chunk.cleared.len() as u64).expect("memory");
    chunk.cleared.iter().for_each(|key| _ = e.bytes(key).expect("memory"));
    match &chunk.last {
        Some(last) => encode_last(e, last),
        None => _ = e.null().expect("memory"),
    }
    e.array(chunk.removals.len() as u64).expect("memory");
    chunk.removals.iter().for_each(|(dot, target)| codec::encode_removal(e, *dot, target));
    out
}

/// Reads a part of a transfer.
pub fn decode_chunk(bytes: &[u8], limits: &Limits) -> Result<Chunk, CodecError> {
    let d = &mut Decoder::new(bytes);
    let unknown = record(d, 4)?;
    let mut chunk = Chunk::default();
    let cells = array(d)?;
    if !cells.is_multiple_of(3) {
        return Err(CodecError::Impossible("a cell cut short"));
    }
    for _ in 0..cells / 3 {
        let id = codec::decode_cell_id(d, limits)?;
        let cell = codec::decode_cell(d, &id, limits)?;
        chunk.cells.push((id, cell));
    }
    for _ in 0..array(d)? {
        let key = d.bytes()?;
        LimitError::check("key bytes", key.len(), limits.key_bytes_max)?;
        chunk.cleared.push(bytes::Bytes::copy_from_slice(key));
    }
    if !null(d)? {
        chunk.last = Some(decode_last(d, limits)?);
    }
    for _ in 0..array(d)? {
        chunk.removals.push(codec::decode_removal(d, limits)?);
    }
    skip(d, unknown)?;
    Ok(chunk)
}

fn encode_last(e: &mut Encoder<&mut Vec<u8>>, last: &Last) {
    e.array(4).and_then(|e| e.bool(last.whole)).expect("memory");
    codec::write_context(e, &last.context);
    codec::write_context(e, &last.floor);
    e.bytes(&last.digest.0).expect("memory");
}

fn decode_last(d: &mut Decoder<'_>, limits: &Limits) -> Result<Last, CodecError> {
    let unknown = record(d, 4)?;
    let whole = d.bool()?;
    let context = codec::read_context(d, limits)?;
    let floor = codec::read_context(d, limits)?;
    let digest =
        d.bytes()?.try_into().map_err(|_| CodecError::Impossible("a digest that is not 16 bytes"))?;
    skip(d, unknown)?;
    Ok(Last { whole, context, floor, digest: Digest(digest) })
}
