//! Batches of operations: what the broadcast carries.

use std::collections::BTreeMap;

use bytes::Bytes;
use minicbor::Encoder;
use minicbor::decode::Decoder;

use super::actors::{ActorTable, actor_at, read_actors};
use super::payload::{read_payload, write_payload};
use super::{CodecError, Out, array, count, null, record, skip};
use crate::batch::{Batch, Operation, Target};
use crate::cell::CellId;
use crate::clock::Hlc;
use crate::dot::{DotRange, Kills};
use crate::id::Actor;
use crate::limits::{LimitError, Limits};
use crate::path::Path;

/// Appends a list of batches.
pub fn encode_batches(out: &mut Vec<u8>, batches: &[Batch]) {
    let mut actors = ActorTable::default();
    for batch in batches {
        actors.index(batch.actor);
        batch.ops.iter().flat_map(|op| op.kills.ranges()).for_each(|range| _ = actors.index(range.actor));
    }
    let mut e = Encoder::new(out);
    e.array(2).expect("memory");
    actors.write(&mut e);
    e.array(batches.len() as u64).expect("memory");
    let mut relative = Relative::default();
    batches.iter().for_each(|batch| write_batch(&mut e, batch, &mut actors, &mut relative));
}

/// Reads a list of batches and checks each: well formed, within the limits, as an honest author issues them.
pub fn decode_batches(bytes: &[u8], limits: &Limits) -> Result<Vec<Batch>, CodecError> {
    let d = &mut Decoder::new(bytes);
    let unknown = record(d, 2)?;
    let actors = read_actors(d, limits)?;
    let len = array(d)?;
    count("batches in a list", len, limits.batch_ops_max)?;
    let mut relative = Relative::default();
    let mut out = Vec::new();
    for _ in 0..len {
        out.push(read_batch(d, &actors, &mut relative, limits)?);
    }
    skip(d, unknown)?;
    Ok(out)
}

/// What numbers and times are relative to.
#[derive(Default)]
struct Relative {
    next: BTreeMap<Actor, u64>,
    hlc: u64,
}

fn write_batch(e: &mut Out<'_>, batch: &Batch, actors: &mut ActorTable, relative: &mut Relative) {
    let expected = relative.next.insert(batch.actor, batch.last() + 1).unwrap_or(0);
    let hlc = batch.hlc.0.wrapping_sub(relative.hlc).cast_signed();
    relative.hlc = batch.hlc.0;
    e.array(4)
        .and_then(|e| {
            e.u64(actors.index(batch.actor))?.i64(batch.first.wrapping_sub(expected).cast_signed())?.i64(hlc)
        })
        .and_then(|e| e.array(batch.ops.len() as u64))
        .expect("memory");
    batch.ops.iter().for_each(|op| write_operation(e, op, actors));
}

fn write_operation(e: &mut Out<'_>, op: &Operation, actors: &mut ActorTable) {
    e.array(4).and_then(|e| e.bytes(op.target.key())).expect("memory");
    match &op.target {
        Target::Cell(cell) => e.bytes(cell.path.as_bytes()),
        Target::Key(_) => e.null(),
    }
    .expect("memory");
    e.array(3 * op.kills.ranges().len() as u64).expect("memory");
    for range in op.kills.ranges() {
        let index = actors.index(range.actor);
        e.u64(index).and_then(|e| e.u64(range.first)?.u64(range.last - range.first)).expect("memory");
    }
    match &op.payload {
        Some(payload) => write_payload(e, payload),
        None => _ = e.null().expect("memory"),
    }
}

fn read_batch(
    d: &mut Decoder<'_>,
    actors: &[Actor],
    relative: &mut Relative,
    limits: &Limits,
) -> Result<Batch, CodecError> {
    let unknown = record(d, 4)?;
    let actor = actor_at(actors, d.u64()?)?;
    let expected = relative.next.get(&actor).copied().unwrap_or(0);
    let first = expected.wrapping_add_signed(d.i64()?);
    relative.hlc = relative.hlc.wrapping_add_signed(d.i64()?);
    let len = array(d)?;
    count("operations in a batch", len, limits.batch_ops_max)?;
    if len == 0 || first == 0 || first.checked_add(len).is_none_or(|end| end == u64::MAX) {
        return Err(CodecError::Impossible("a batch out of range"));
    }
    let mut ops = Vec::new();
    for _ in 0..len {
        ops.push(read_operation(d, actors, limits)?);
    }
    skip(d, unknown)?;
    let batch = Batch { actor, first, hlc: Hlc(relative.hlc), ops: ops.into() };
    batch.check(limits)?;
    relative.next.insert(actor, batch.last() + 1);
    Ok(batch)
}

fn read_operation(d: &mut Decoder<'_>, actors: &[Actor], limits: &Limits) -> Result<Operation, CodecError> {
    let unknown = record(d, 4)?;
    let key = d.bytes()?;
    LimitError::check("key bytes", key.len(), limits.key_bytes_max)?;
    let key = Bytes::copy_from_slice(key);
    let target = if null(d)? {
        Target::Key(key)
    } else {
        Target::Cell(CellId::new(key, Path::parse(d.bytes()?, limits)?))
    };
    let kills = read_kills(d, actors, limits)?;
    let payload = if null(d)? { None } else { Some(read_payload(d, limits)?) };
    skip(d, unknown)?;
    Ok(Operation { target, kills, payload })
}

fn read_kills(d: &mut Decoder<'_>, actors: &[Actor], limits: &Limits) -> Result<Kills, CodecError> {
    let fields = array(d)?;
    if !fields.is_multiple_of(3) {
        return Err(CodecError::Impossible("kills cut short"));
    }
    count("killed ranges", fields / 3, limits.ranges_max)?;
    let mut ranges = Vec::new();
    for _ in 0..fields / 3 {
        let (actor, first, more) = (actor_at(actors, d.u64()?)?, d.u64()?, d.u64()?);
        let last = first.checked_add(more).ok_or(CodecError::Impossible("a number beyond 64 bits"))?;
        ranges.push(DotRange { actor, first, last });
    }
    Kills::from_ranges(ranges).ok_or(CodecError::Impossible("kills out of order"))
}
