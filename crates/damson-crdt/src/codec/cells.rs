//! Lists of cells: what a state transfer carries.

use std::collections::BTreeMap;

use minicbor::Encoder;
use minicbor::decode::Decoder;

use super::actors::{ActorTable, actor_at, read_actors};
use super::cell::{decode_cell_id, encode_cell_id};
use super::payload::{read_payload, write_payload};
use super::{CodecError, Out, array, count, record, skip};
use crate::cell::{Cell, CellId, LiveDot};
use crate::clock::Hlc;
use crate::dot::Dot;
use crate::id::Actor;
use crate::limits::Limits;

/// Appends a list of cells. In the order of their dots they take the fewest bytes.
pub fn encode_cells<'a>(out: &mut Vec<u8>, cells: impl Iterator<Item = (&'a CellId, &'a Cell)> + Clone) {
    let mut actors = ActorTable::default();
    let dots = cells.clone().flat_map(|(_, cell)| cell.dots());
    dots.for_each(|live| _ = actors.index(live.dot.actor));
    let mut e = Encoder::new(out);
    e.array(2).expect("memory");
    actors.write(&mut e);
    e.array(3 * cells.clone().count() as u64).expect("memory");
    let mut before = Before::default();
    for (id, cell) in cells {
        encode_cell_id(&mut e, id);
        e.array(4 * cell.dots().len() as u64).expect("memory");
        cell.dots().iter().for_each(|live| before.write(&mut e, live, &mut actors));
    }
}

/// Reads a list of cells and checks each: its dots in order, each once, each fitting the cell.
pub fn decode_cells(d: &mut Decoder<'_>, limits: &Limits) -> Result<Vec<(CellId, Cell)>, CodecError> {
    let unknown = record(d, 2)?;
    let actors = read_actors(d, limits)?;
    let fields = array(d)?;
    if !fields.is_multiple_of(3) {
        return Err(CodecError::Impossible("a cell cut short"));
    }
    let (mut before, mut cells) = (Before::default(), Vec::new());
    for _ in 0..fields / 3 {
        let id = decode_cell_id(d, limits)?;
        let cell = before.read_cell(d, &id, &actors, limits)?;
        cells.push((id, cell));
    }
    skip(d, unknown)?;
    Ok(cells)
}

/// What numbers and times are relative to: the next number of the same author, the time of the dot before.
#[derive(Default)]
struct Before {
    next: BTreeMap<Actor, u64>,
    hlc: u64,
}

impl Before {
    fn write(&mut self, e: &mut Out<'_>, live: &LiveDot, actors: &mut ActorTable) {
        let Dot { actor, seq } = live.dot;
        let expected = self.next.insert(actor, seq + 1).unwrap_or(0);
        let hlc = live.hlc.0.wrapping_sub(self.hlc).cast_signed();
        self.hlc = live.hlc.0;
        e.u64(actors.index(actor))
            .and_then(|e| e.i64(seq.wrapping_sub(expected).cast_signed())?.i64(hlc))
            .expect("memory");
        write_payload(e, &live.payload);
    }

    fn read_cell(
        &mut self,
        d: &mut Decoder<'_>,
        id: &CellId,
        actors: &[Actor],
        limits: &Limits,
    ) -> Result<Cell, CodecError> {
        let fields = array(d)?;
        if !fields.is_multiple_of(4) {
            return Err(CodecError::Impossible("a live dot cut short"));
        }
        count("live dots of a cell", fields / 4, limits.ranges_max)?;
        let mut dots = Vec::new();
        for _ in 0..fields / 4 {
            let live = self.read(d, actors, limits)?;
            if !live.payload.fits(id.path.last()) {
                return Err(CodecError::Operation(crate::batch::OperationFault::Misfit));
            }
            dots.push(live);
        }
        Cell::from_dots(dots).ok_or(CodecError::Impossible("live dots out of order"))
    }

    fn read(
        &mut self,
        d: &mut Decoder<'_>,
        actors: &[Actor],
        limits: &Limits,
    ) -> Result<LiveDot, CodecError> {
        let actor = actor_at(actors, d.u64()?)?;
        let expected = self.next.get(&actor).copied().unwrap_or(0);
        let seq = expected.wrapping_add_signed(d.i64()?);
        self.hlc = self.hlc.wrapping_add_signed(d.i64()?);
        if seq == 0 || seq == u64::MAX {
            return Err(CodecError::Impossible("a dot out of range"));
        }
        self.next.insert(actor, seq + 1);
        let (hlc, payload) = (Hlc(self.hlc), read_payload(d, limits)?);
        Ok(LiveDot { dot: Dot::new(actor, seq), hlc, payload })
    }
}
