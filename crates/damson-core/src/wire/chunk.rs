//! The bytes of state transfers: what is asked for, and the parts of the answer.
//!
//! ```text
//! request = [ context or null, live dots, name of the key of sketches, number of a compared transfer or null, summary (or not there) ]
//! summary = [ name, symbols ]
//! demand  = [ 0, gauge or null, estimate or null ] | [ 1, wanted, fingerprint ] | [ 2 ] | [ 3, symbols ] | [ 4, context ]
//! chunk   = [ cells, [cleared key, ...], last or null, [removal, ...], symbols (null, or not there), question (or not there) ]
//! question = [ 0, symbols ] | [ 1, items of 8 bytes, actors ] | [ 2 ]
//! last    = [ extent, name of what was seen, news, lacks, floor, digest ]
//! symbols = [ start, len, bytes, live dots ]
//! ```

use damson_crdt::codec::{self, CodecError, array, null, record, skip};
use damson_crdt::{Actor, Cell, CellId, Digest, LimitError, Limits};
use minicbor::Encoder;
use minicbor::decode::Decoder;

use crate::replica::{Answer, Chunk, Demand, Extent, Last, Question, Request, Seen, Summary, Symbols};
use crate::sketch::{Gauge, Wanted};

type Out<'a> = Encoder<&'a mut Vec<u8>>;

/// Items that may be wanted at once: as many as fit into a frame.
const WANTED_MAX: usize = 16 << 20;

/// Encodes what a receiver asks for first.
pub fn encode_request(request: &Request) -> Vec<u8> {
    let mut out = Vec::new();
    let e = &mut Encoder::new(&mut out);
    match &request.seen {
        Seen::Whole(seen) => {
            e.array(4).expect("memory");
            codec::write_context(e, seen);
        }
        Seen::Summary(_) => _ = e.array(5).and_then(Encoder::null).expect("memory"),
    }
    e.u64(request.live).and_then(|e| e.u32(request.sketch_key)).expect("memory");
    write_number(e, request.compared);
    if let Seen::Summary(Summary { name, symbols }) = &request.seen {
        e.array(2).and_then(|e| e.u32(*name)?.bytes(symbols)).expect("memory");
    }
    out
}

/// Reads what a receiver asks for first.
pub fn decode_request(bytes: &[u8], limits: &Limits) -> Result<Request, CodecError> {
    let d = &mut Decoder::new(bytes);
    let mut unknown = record(d, 4)?;
    let whole = if null(d)? { None } else { Some(Seen::Whole(codec::read_context(d, limits)?)) };
    let (live, sketch_key) = (d.u64()?, d.u32()?);
    let compared = read_number(d)?;
    let seen = match whole {
        Some(whole) => whole,
        None if unknown > 0 => {
            unknown -= 1;
            Seen::Summary(decode_summary(d)?)
        }
        None => return Err(CodecError::Impossible("a request without what was seen")),
    };
    skip(d, unknown)?;
    Ok(Request { seen, live, sketch_key, compared })
}

/// Encodes what a receiver demands next; the next part takes no bytes.
pub fn encode_demand(demand: Option<&Demand>) -> Vec<u8> {
    let mut out = Vec::new();
    let e = &mut Encoder::new(&mut out);
    match demand {
        None => {}
        Some(Demand::Symbols { gauge, estimate }) => {
            e.array(3).and_then(|e| e.u8(0)).expect("memory");
            match gauge {
                Some(gauge) => e.bytes(&gauge.encode()),
                None => e.null(),
            }
            .expect("memory");
            write_number(e, *estimate);
        }
        Some(Demand::Cells { wanted, common }) => {
            e.array(3)
                .and_then(|e| e.u8(1)?.bytes(&wanted.encode())?.bytes(&common.to_le_bytes()))
                .expect("memory");
        }
        Some(Demand::Whole) => _ = e.array(1).and_then(|e| e.u8(2)).expect("memory"),
        Some(Demand::Seen(Answer::Symbols(symbols))) => {
            e.array(2).and_then(|e| e.u8(3)?.bytes(symbols)).expect("memory");
        }
        Some(Demand::Seen(Answer::Entries(entries))) => {
            e.array(2).and_then(|e| e.u8(4)).expect("memory");
            codec::write_context(e, entries);
        }
    }
    out
}

/// Reads what a receiver asks for next.
pub fn decode_demand(bytes: &[u8], limits: &Limits) -> Result<Option<Demand>, CodecError> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let d = &mut Decoder::new(bytes);
    let fields = record(d, 1)?;
    match (d.u8()?, fields) {
        (0, 2..) => {
            let gauge = if null(d)? { None } else { Some(Gauge::decode(&exactly(d, "a gauge's length")?)) };
            Ok(Some(Demand::Symbols { gauge, estimate: read_number(d)? }))
        }
        (1, 2..) => {
            let wanted = Wanted::decode(d.bytes()?, WANTED_MAX)
                .map_err(|_| CodecError::Impossible("a list of wanted items"))?;
            let common = u64::from_le_bytes(exactly(d, "a fingerprint's length")?);
            Ok(Some(Demand::Cells { wanted, common }))
        }
        (2, _) => Ok(Some(Demand::Whole)),
        (3, 1..) => Ok(Some(Demand::Seen(Answer::Symbols(d.bytes()?.to_vec())))),
        (4, 1..) => Ok(Some(Demand::Seen(Answer::Entries(codec::read_context(d, limits)?)))),
        _ => Err(CodecError::Impossible("a demand of an unknown kind")),
    }
}

/// Encodes a part of a transfer.
pub fn encode_chunk(chunk: &Chunk) -> Vec<u8> {
    let mut out = Vec::new();
    let more = if chunk.asks.is_some() { 2 } else { u64::from(chunk.symbols.is_some()) };
    Encoder::new(&mut out).array(4 + more).expect("memory");
    let mut cells: Vec<&(CellId, Cell)> = chunk.cells.iter().collect();
    cells.sort_by_key(|(_, cell)| cell.dots().first().map(|live| live.dot));
    codec::encode_cells(&mut out, cells.into_iter().map(|(id, cell)| (id, cell)));
    let e = &mut Encoder::new(&mut out);
    e.array(chunk.cleared.len() as u64).expect("memory");
    chunk.cleared.iter().for_each(|key| _ = e.bytes(key).expect("memory"));
    match &chunk.last {
        Some(last) => encode_last(e, last),
        None => _ = e.null().expect("memory"),
    }
    e.array(chunk.removals.len() as u64).expect("memory");
    chunk.removals.iter().for_each(|(dot, target)| codec::encode_removal(e, *dot, target));
    if let Some(Symbols { start, len, bytes, live }) = &chunk.symbols {
        e.array(4).and_then(|e| e.u32(*start)?.u32(*len)?.bytes(bytes)?.u64(*live)).expect("memory");
    }
    if let Some(question) = &chunk.asks {
        e.null().expect("memory");
        encode_question(e, question);
    }
    out
}

/// Reads a part of a transfer.
pub fn decode_chunk(bytes: &[u8], limits: &Limits) -> Result<Chunk, CodecError> {
    let d = &mut Decoder::new(bytes);
    let mut more = record(d, 4)?;
    let mut chunk = Chunk { cells: codec::decode_cells(d, limits)?, ..Chunk::default() };
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
    if more > 0 {
        more -= 1;
        chunk.symbols = if null(d)? { None } else { Some(decode_symbols(d)?) };
    }
    if more > 0 {
        more -= 1;
        chunk.asks = Some(decode_question(d)?);
    }
    skip(d, more)?;
    Ok(chunk)
}

fn decode_summary(d: &mut Decoder<'_>) -> Result<Summary, CodecError> {
    let unknown = record(d, 2)?;
    let summary = Summary { name: d.u32()?, symbols: d.bytes()?.to_vec() };
    skip(d, unknown)?;
    Ok(summary)
}

fn encode_question(e: &mut Out<'_>, question: &Question) {
    match question {
        Question::Symbols(more) => _ = e.array(2).and_then(|e| e.u8(0)?.u32(*more)).expect("memory"),
        Question::Entries { items, actors } => {
            let items: Vec<u8> = items.iter().flat_map(|item| item.to_be_bytes()).collect();
            let actors: Vec<u8> = actors.iter().flat_map(|actor| actor.to_bytes()).collect();
            e.array(3).and_then(|e| e.u8(1)?.bytes(&items)?.bytes(&actors)).expect("memory");
        }
        Question::Whole => _ = e.array(1).and_then(|e| e.u8(2)).expect("memory"),
    }
}

fn decode_question(d: &mut Decoder<'_>) -> Result<Question, CodecError> {
    let fields = record(d, 1)?;
    let (question, known) = match (d.u8()?, fields) {
        (0, 1..) => (Question::Symbols(d.u32()?), 1),
        (1, 2..) => {
            let items = ascending(d.bytes()?, |item: [u8; 8]| Some(u64::from_be_bytes(item)))?;
            let actors = ascending(d.bytes()?, |actor: [u8; Actor::BYTES]| Actor::from_bytes(&actor))?;
            (Question::Entries { items, actors }, 2)
        }
        (2, _) => (Question::Whole, 0),
        _ => return Err(CodecError::Impossible("a question of an unknown kind")),
    };
    skip(d, fields - known)?;
    Ok(question)
}

/// Things of one length each, in order.
fn ascending<T: Ord, const N: usize>(
    bytes: &[u8],
    read: impl Fn([u8; N]) -> Option<T>,
) -> Result<Vec<T>, CodecError> {
    let (things, rest) = bytes.as_chunks::<N>();
    let things: Option<Vec<T>> = things.iter().map(|thing| read(*thing)).collect();
    let things = things.filter(|things| rest.is_empty() && things.is_sorted());
    things.ok_or(CodecError::Impossible("a list that is not in order"))
}

fn encode_last(e: &mut Out<'_>, last: &Last) {
    let extent = match last.extent {
        Extent::Missing => 0,
        Extent::Differing => 1,
        Extent::Whole => 2,
    };
    e.array(6).and_then(|e| e.u8(extent)?.u32(last.seen)).expect("memory");
    [&last.news, &last.lacks, &last.floor].into_iter().for_each(|context| codec::write_context(e, context));
    e.bytes(&last.digest.0).expect("memory");
}

fn decode_last(d: &mut Decoder<'_>, limits: &Limits) -> Result<Last, CodecError> {
    let unknown = record(d, 6)?;
    let extent = match d.u8()? {
        0 => Extent::Missing,
        1 => Extent::Differing,
        2 => Extent::Whole,
        _ => return Err(CodecError::Impossible("an extent of an unknown kind")),
    };
    let seen = d.u32()?;
    let mut context = || codec::read_context(d, limits);
    let (news, lacks, floor) = (context()?, context()?, context()?);
    let digest = Digest(exactly(d, "a digest's length")?);
    skip(d, unknown)?;
    Ok(Last { extent, seen, news, lacks, floor, digest })
}

fn decode_symbols(d: &mut Decoder<'_>) -> Result<Symbols, CodecError> {
    let unknown = record(d, 4)?;
    let (start, len, bytes, live) = (d.u32()?, d.u32()?, d.bytes()?.to_vec(), d.u64()?);
    skip(d, unknown)?;
    Ok(Symbols { start, len, bytes, live })
}

fn write_number(e: &mut Out<'_>, number: Option<u64>) {
    match number {
        Some(number) => e.u64(number),
        None => e.null(),
    }
    .expect("memory");
}

fn read_number(d: &mut Decoder<'_>) -> Result<Option<u64>, CodecError> {
    if null(d)? { Ok(None) } else { Ok(Some(d.u64()?)) }
}

fn exactly<const N: usize>(d: &mut Decoder<'_>, what: &'static str) -> Result<[u8; N], CodecError> {
    d.bytes()?.try_into().map_err(|_| CodecError::Impossible(what))
}
