//! All that users see of a replica: equal on replicas that agree.

use damson_core::replica::{Replica, Slot, View};
use damson_crdt::{Key, Kind};

/// The visible keys in order, one line for each.
pub(crate) fn picture(replica: &Replica, wall_ms: u64) -> Vec<String> {
    let view = replica.view(wall_ms);
    let line = |(key, _): (Key, Kind)| {
        let slot = Slot::key(key.clone());
        format!("{} = {} ends {:?}", key.escape_ascii(), value(&view, &slot), view.ends_ms(&key))
    };
    let mut lines: Vec<String> = view.keys().map(line).collect();
    lines.sort_unstable();
    lines
}

fn value(view: &View<'_>, slot: &Slot) -> String {
    let Some(kind) = view.kind(slot) else { return "nothing".into() };
    let value = match kind {
        Kind::Register => format!("{:?}", view.register(slot)),
        Kind::Multi => format!("{:?}", view.multi(slot)),
        Kind::Text => format!("{:?}", view.text(slot)),
        Kind::Counter => format!("{:?}", view.counter(slot)),
        Kind::Max => format!("{:?}", view.max(slot)),
        Kind::EnableWins | Kind::DisableWins => format!("{:?}", view.flag(slot)),
        Kind::Set => format!(
            "{:?}",
            view.set_elements(slot).map(<[u8]>::escape_ascii).map(|e| e.to_string()).collect::<Vec<_>>()
        ),
        Kind::Map => fields(view, slot),
        _ => String::new(),
    };
    format!("{kind} {value}")
}

fn fields(view: &View<'_>, slot: &Slot) -> String {
    let field = |name: &[u8]| format!("{}: {}", name.escape_ascii(), value(view, &slot.field(name)));
    format!("{{{}}}", view.map_fields(slot).map(field).collect::<Vec<_>>().join(", "))
}
