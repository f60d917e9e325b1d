//! All that users see of a replica, as text: equal on replicas that agree.

use std::collections::BTreeMap;

use bytes::Bytes;
use damson_core::replica::{Chunk, Replica, Request, Slot, View};
use damson_crdt::{CellId, Dot, Hlc, Kind, Payload};

/// What each live dot says, and where.
pub type Contents = BTreeMap<Dot, (CellId, Hlc, Payload)>;

/// The visible keys, one line for each.
pub fn picture(replica: &Replica, wall_ms: u64) -> Vec<String> {
    let view = replica.view(wall_ms);
    let line = |(key, _): (Bytes, Kind)| {
        let slot = Slot::key(key.clone());
        format!("{} = {} ends {:?}", key.escape_ascii(), value(&view, &slot), view.ends_ms(&key))
    };
    let mut lines: Vec<String> = view.keys().map(line).collect();
    lines.sort_unstable();
    lines
}

/// Everything alive, payloads included: what a receiver that has nothing is sent.
pub fn contents(replica: &mut Replica) -> Contents {
    let everything = u64::MAX;
    replica.open_outbound(everything, replica.node(), Request::default());
    let Chunk { cells, .. } = replica.next_chunk(everything, usize::MAX, None).expect("it was just opened");
    let dots = |(id, cell): (CellId, damson_crdt::Cell)| {
        let said: Vec<_> =
            cell.dots().iter().map(|live| (live.dot, (id.clone(), live.hlc, live.payload.clone()))).collect();
        said
    };
    cells.into_iter().flat_map(dots).collect()
}

/// Numbers that are kept, or taken from a tree's size, against the same counted one by one.
pub fn numbers_agree(replica: &Replica, wall_ms: u64) -> Result<(), String> {
    let view = replica.view(wall_ms);
    for (key, kind) in view.keys() {
        let slot = Slot::key(key.clone());
        let (says, has) = match kind {
            Kind::Set => (view.set_len(&slot), view.set_elements(&slot).count()),
            Kind::Map => (view.map_len(&slot), view.map_fields(&slot).count()),
            _ => continue,
        };
        if says != has {
            return Err(format!("{kind} {} has {has} members and says {says}", key.escape_ascii()));
        }
    }
    let (says, has) = (replica.keys(), replica.view(0).keys().count());
    if says == has { Ok(()) } else { Err(format!("{has} keys exist, the replica says {says}")) }
}

fn value(view: &View<'_>, slot: &Slot) -> String {
    let Some(kind) = view.kind(slot) else { return "nothing".into() };
    match kind {
        Kind::Register => format!("register {:?}", view.register(slot)),
        Kind::Multi => format!("multi {:?}", view.multi(slot)),
        Kind::Text => format!("string {:?}", view.text(slot)),
        Kind::Counter => format!("counter {:?}", view.counter(slot)),
        Kind::Max => format!("max {:?}", view.max(slot)),
        Kind::EnableWins | Kind::DisableWins => format!("{kind} {:?}", view.flag(slot)),
        Kind::Set => {
            format!("set {:?}", view.set_elements(slot).map(Bytes::copy_from_slice).collect::<Vec<_>>())
        }
        Kind::Map => fields(view, slot),
        other => format!("{other}, which this test does not know"),
    }
}

fn fields(view: &View<'_>, slot: &Slot) -> String {
    let field = |name: &[u8]| format!("{}: {}", name.escape_ascii(), value(view, &slot.field(name)));
    format!("map {{{}}}", view.map_fields(slot).map(field).collect::<Vec<_>>().join(", "))
}
