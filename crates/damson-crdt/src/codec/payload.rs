//! Payloads: the common ones are a bare CBOR value, the others an array that starts with a tag.

use std::collections::BTreeMap;

use bytes::Bytes;
use minicbor::Encoder;
use minicbor::data::Type;
use minicbor::decode::Decoder;

use super::{CodecError, Out, count, null, record, skip};
use crate::limits::{LimitError, Limits};
use crate::payload::Payload;

const VALUE_WITH_END: u8 = 0;
const EXPIRES: u8 = 1;
const TOTAL: u8 = 2;
const SEEN: u8 = 3;

/// Appends a payload.
pub fn encode_payload(out: &mut Vec<u8>, payload: &Payload) {
    write_payload(&mut Encoder::new(out), payload);
}

/// Writes a payload as part of something larger.
pub fn write_payload(e: &mut Out<'_>, payload: &Payload) {
    let written = match payload {
        Payload::Value { bytes, expires_ms: None } => e.bytes(bytes),
        Payload::Value { bytes, expires_ms: Some(end) } => {
            e.array(3).and_then(|e| e.u8(VALUE_WITH_END)?.bytes(bytes)?.u64(*end))
        }
        Payload::Present => e.undefined(),
        Payload::Flag(on) => e.bool(*on),
        Payload::Max(n) => e.i64(*n),
        Payload::Expires(end) => e.array(2).and_then(|e| e.u8(EXPIRES)?.encode(end)),
        Payload::Total { epoch, n, base } => {
            e.array(5).and_then(|e| e.u8(TOTAL)?.u64(*epoch)?.i64(*n)?.u64(base.0)?.i64(base.1))
        }
        Payload::Seen(traces) => write_seen(e, traces),
    };
    written.expect("memory");
}

fn write_seen<'e, 'a>(
    e: &'e mut Out<'a>,
    traces: &BTreeMap<u64, (u64, i64)>,
) -> Result<&'e mut Out<'a>, minicbor::encode::Error<std::convert::Infallible>> {
    e.array(1 + 3 * traces.len() as u64)?.u8(SEEN)?;
    for (epoch, (seq, n)) in traces {
        e.u64(*epoch)?.u64(*seq)?.i64(*n)?;
    }
    Ok(e)
}

/// Reads a payload.
pub fn read_payload(d: &mut Decoder<'_>, limits: &Limits) -> Result<Payload, CodecError> {
    match d.datatype()? {
        Type::Bytes => Ok(Payload::value(read_value(d, limits)?)),
        Type::Undefined => Ok(d.undefined().map(|()| Payload::Present)?),
        Type::Bool => Ok(Payload::Flag(d.bool()?)),
        Type::Array => read_tagged(d, limits),
        _ => Ok(Payload::Max(d.i64()?)),
    }
}

fn read_value(d: &mut Decoder<'_>, limits: &Limits) -> Result<Bytes, CodecError> {
    let bytes = d.bytes()?;
    LimitError::check("value bytes", bytes.len(), limits.value_bytes_max)?;
    Ok(Bytes::copy_from_slice(bytes))
}

fn read_tagged(d: &mut Decoder<'_>, limits: &Limits) -> Result<Payload, CodecError> {
    let fields = record(d, 1)?;
    let unknown = |known: u64| fields.checked_sub(known).ok_or(CodecError::Impossible("a payload cut short"));
    let (payload, rest) = match d.u8()? {
        VALUE_WITH_END => {
            (Payload::Value { bytes: read_value(d, limits)?, expires_ms: Some(d.u64()?) }, unknown(2)?)
        }
        EXPIRES => (Payload::Expires(if null(d)? { None } else { Some(d.u64()?) }), unknown(1)?),
        TOTAL => {
            let rest = unknown(4)?;
            (Payload::Total { epoch: d.u64()?, n: d.i64()?, base: (d.u64()?, d.i64()?) }, rest)
        }
        SEEN => (Payload::Seen(read_seen(d, fields, limits)?), 0),
        _ => return Err(CodecError::Impossible("a payload of unknown type")),
    };
    skip(d, rest)?;
    Ok(payload)
}

fn read_seen(
    d: &mut Decoder<'_>,
    fields: u64,
    limits: &Limits,
) -> Result<BTreeMap<u64, (u64, i64)>, CodecError> {
    count("traces of resets", fields / 3, limits.ranges_max)?;
    if !fields.is_multiple_of(3) {
        return Err(CodecError::Impossible("a trace cut short"));
    }
    (0..fields / 3).map(|_| Ok((d.u64()?, (d.u64()?, d.i64()?)))).collect()
}
