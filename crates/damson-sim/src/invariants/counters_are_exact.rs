//! Rules 10 and 12: a counter shows the sum of all amounts that were seen, without those that a reset had seen.

use damson_core::replica::Replica;
use damson_crdt::{CellId, Kind, Leaf, Path};

use super::{Finding, Scene, Seen};
use crate::workload;

const NAME: &str = "counters_are_exact";

pub(super) fn check(scene: &Scene<'_>, out: &mut Vec<Finding>) {
    let counters = workload::counters();
    for &Seen { at, replica, .. } in scene.distinct() {
        let text = check_text(scene, replica);
        let found = counters.iter().filter_map(|slot| check_counter(scene, replica, slot)).chain(text);
        out.extend(found.map(|text| Finding::at(at, NAME, text)));
    }
}

fn check_counter(scene: &Scene<'_>, replica: &Replica, slot: &damson_core::replica::Slot) -> Option<String> {
    // At wall time 0 nothing has expired.
    let view = replica.view(0);
    let shown = match view.kind(slot) {
        Some(Kind::Counter) => view.counter(slot)?,
        Some(_) => return None,
        None => 0,
    };
    let direct = |id: &CellId| {
        let path = |leaf| slot.prefix.leaf(leaf);
        id.key == slot.key
            && matches!(id.path.last(), Leaf::Count(actor) if id.path == path(Leaf::Count(actor)))
    };
    let want = scene.oracle.counted(replica.name(), replica.context(), direct);
    (shown != want).then(|| format!("{slot:?} in {} shows {shown}, should be {want}", replica.name()))
}

fn check_text(scene: &Scene<'_>, replica: &Replica) -> Option<String> {
    let slot = workload::text();
    let base = scene.oracle.text_base(replica, &CellId::new(slot.key.clone(), Path::root().leaf(Leaf::Text)));
    let base = base.map_or(0, |bytes| String::from_utf8_lossy(&bytes).parse::<i64>().unwrap_or(0));
    let counts = |id: &CellId| id.key == slot.key && matches!(id.path.last(), Leaf::TextCount(_));
    let want = base + scene.oracle.counted(replica.name(), replica.context(), counts);
    let shown = replica
        .view(0)
        .text(&slot)
        .map_or_else(|| "0".into(), |text| String::from_utf8_lossy(&text).into_owned());
    (shown != want.to_string())
        .then(|| format!("the string in {} shows {shown}, should be {want}", replica.name()))
}
