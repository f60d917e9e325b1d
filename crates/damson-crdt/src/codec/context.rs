//! Contexts. The encoding is canonical: equal contexts have equal bytes, which digests rely on.

use minicbor::Encoder;
use minicbor::decode::Decoder;

use super::{CodecError, Out, array, count};
use crate::context::Context;
use crate::id::Actor;
use crate::intervals::Intervals;
use crate::limits::Limits;

/// Appends a context.
pub fn encode_context(out: &mut Vec<u8>, context: &Context) {
    write_context(&mut Encoder::new(out), context);
}

/// Writes a context as part of something larger.
pub fn write_context(e: &mut Out<'_>, context: &Context) {
    e.array(context.actors() as u64).expect("memory");
    for (actor, seen) in context.iter() {
        e.array(1 + 2 * seen.pairs().len() as u64).expect("memory").bytes(&actor.to_bytes()).expect("memory");
        let mut end = 0;
        for &(first, last) in seen.pairs() {
            e.u64(first - end).expect("memory").u64(last - first).expect("memory");
            end = last;
        }
    }
}

/// Reads a context that fills the bytes.
pub fn decode_context(bytes: &[u8], limits: &Limits) -> Result<Context, CodecError> {
    read_context(&mut Decoder::new(bytes), limits)
}

/// Reads a context as part of something larger.
pub fn read_context(d: &mut Decoder<'_>, limits: &Limits) -> Result<Context, CodecError> {
    let actors = array(d)?;
    count("actors in a context", actors, limits.actors_max)?;
    let mut out = Context::default();
    let mut before = None;
    for _ in 0..actors {
        let (actor, seen) = read_seen(d, limits)?;
        if before.is_some_and(|b| b >= actor) {
            return Err(CodecError::Impossible("actors out of order"));
        }
        before = Some(actor);
        out.set(actor, seen);
    }
    Ok(out)
}

fn read_seen(d: &mut Decoder<'_>, limits: &Limits) -> Result<(Actor, Intervals), CodecError> {
    let fields = array(d)?;
    if fields < 3 || fields.is_multiple_of(2) {
        return Err(CodecError::Impossible("an actor without intervals"));
    }
    count("intervals of an actor", fields / 2, limits.ranges_max)?;
    let actor = read_actor(d)?;
    let mut pairs = Vec::new();
    let mut end = 0_u64;
    for _ in 0..fields / 2 {
        let first = end.checked_add(d.u64()?).ok_or(CodecError::Impossible("a number beyond 64 bits"))?;
        let last = first.checked_add(d.u64()?).ok_or(CodecError::Impossible("a number beyond 64 bits"))?;
        pairs.push((first, last));
        end = last;
    }
    Intervals::from_pairs(pairs)
        .map(|seen| (actor, seen))
        .ok_or(CodecError::Impossible("intervals that touch"))
}

/// Reads an actor as 24 bytes.
pub(super) fn read_actor(d: &mut Decoder<'_>) -> Result<Actor, CodecError> {
    Actor::from_bytes(d.bytes()?).ok_or(CodecError::Impossible("an actor that is not 24 bytes"))
}
