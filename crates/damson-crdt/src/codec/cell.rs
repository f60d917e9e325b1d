//! Cells: what state transfers carry and what the disk keeps.

use minicbor::Encoder;
use minicbor::decode::Decoder;

use super::context::read_actor;
use super::payload::{read_payload, write_payload};
use super::{CodecError, Out, array, count, null, record, skip};
use crate::batch::Target;
use crate::cell::{Cell, CellId, LiveDot};
use crate::clock::Hlc;
use crate::dot::Dot;
use crate::limits::{LimitError, Limits};
use crate::path::Path;

/// Writes the name of a cell: its key and its path.
pub fn encode_cell_id(e: &mut Out<'_>, id: &CellId) {
    e.bytes(&id.key).expect("memory").bytes(id.path.as_bytes()).expect("memory");
}

/// Reads the name of a cell.
pub fn decode_cell_id(d: &mut Decoder<'_>, limits: &Limits) -> Result<CellId, CodecError> {
    let key = d.bytes()?;
    LimitError::check("key bytes", key.len(), limits.key_bytes_max)?;
    let path = Path::parse(d.bytes()?, limits)?;
    Ok(CellId::new(bytes::Bytes::copy_from_slice(key), path))
}

/// Appends the live dots of a cell.
pub fn encode_cell(out: &mut Vec<u8>, cell: &Cell) {
    let mut e = Encoder::new(out);
    e.array(cell.dots().len() as u64).expect("memory");
    for live in cell.dots() {
        e.array(4)
            .and_then(|e| e.bytes(&live.dot.actor.to_bytes())?.u64(live.dot.seq)?.u64(live.hlc.0))
            .expect("memory");
        write_payload(&mut e, &live.payload);
    }
}

/// Reads the live dots of the cell with this name: in order, each once, each fitting the cell.
pub fn decode_cell(d: &mut Decoder<'_>, id: &CellId, limits: &Limits) -> Result<Cell, CodecError> {
    let len = array(d)?;
    count("live dots of a cell", len, limits.ranges_max)?;
    let mut dots = Vec::new();
    for _ in 0..len {
        let live = read_live_dot(d, limits)?;
        if !live.payload.fits(id.path.last()) {
            return Err(CodecError::Operation(crate::batch::OperationFault::Misfit));
        }
        dots.push(live);
    }
    Cell::from_dots(dots).ok_or(CodecError::Impossible("live dots out of order"))
}

/// Writes a removal: its dot, and the cell or key that it is about.
pub fn encode_removal(e: &mut Out<'_>, dot: Dot, target: &Target) {
    e.array(4)
        .and_then(|e| e.bytes(&dot.actor.to_bytes())?.u64(dot.seq)?.bytes(target.key()))
        .expect("memory");
    match target {
        Target::Cell(id) => e.bytes(id.path.as_bytes()),
        Target::Key(_) => e.null(),
    }
    .expect("memory");
}

/// Reads a removal.
pub fn decode_removal(d: &mut Decoder<'_>, limits: &Limits) -> Result<(Dot, Target), CodecError> {
    let unknown = record(d, 4)?;
    let dot = read_dot(d)?;
    let key = d.bytes()?;
    LimitError::check("key bytes", key.len(), limits.key_bytes_max)?;
    let key = bytes::Bytes::copy_from_slice(key);
    let target = if null(d)? {
        Target::Key(key)
    } else {
        Target::Cell(CellId::new(key, Path::parse(d.bytes()?, limits)?))
    };
    skip(d, unknown)?;
    Ok((dot, target))
}

fn read_live_dot(d: &mut Decoder<'_>, limits: &Limits) -> Result<LiveDot, CodecError> {
    let unknown = record(d, 4)?;
    let dot = read_dot(d)?;
    let hlc = Hlc(d.u64()?);
    let payload = read_payload(d, limits)?;
    skip(d, unknown)?;
    Ok(LiveDot { dot, hlc, payload })
}

fn read_dot(d: &mut Decoder<'_>) -> Result<Dot, CodecError> {
    let dot = Dot::new(read_actor(d)?, d.u64()?);
    if dot.seq == 0 || dot.seq == u64::MAX {
        return Err(CodecError::Impossible("a dot out of range"));
    }
    Ok(dot)
}
