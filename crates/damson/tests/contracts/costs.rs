//! What a publisher's updates cost, as it is seen on the wire.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use damson::Slot;
use damson::publisher::Published;
use damson_core::crdt::{Batch, Limits, Operation, Payload, Target, codec};
use damson_core::wire::Message;

use crate::numbers::{Numbers, Probe};
use crate::stage::eventually;
use crate::wires::{Fate, Wires};

/// Operations of a publisher's batches, by the number of the first, and to whom it was sent.
type Seen = Arc<Mutex<BTreeMap<u64, (Vec<Operation>, Vec<String>)>>>;

const UPDATES: usize = 320;

fn batches_of_load(frame: &[u8]) -> Vec<Batch> {
    match Message::decode(frame) {
        Ok(Message::Push { scope, batches, .. }) if scope.as_str() == "load" => {
            codec::decode_batches(&batches, &Limits::default()).unwrap()
        }
        _ => Vec::new(),
    }
}

/// The bytes of the key and of the value; none where nothing is put.
fn sizes(op: &Operation) -> (usize, Option<usize>) {
    let Target::Cell(id) = &op.target else { panic!("a record is one cell: {op:?}") };
    let value = op.payload.as_ref().map(|payload| match payload {
        Payload::Value { bytes, .. } => bytes.len(),
        other => panic!("a record is bytes: {other:?}"),
    });
    (id.key.len(), value)
}

/// `damson sim publisher` writes the same (`crates/damson-sim/tests/publisher/experiment.rs`): so many operations in so many batches,
/// of records of these sizes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_is_one_small_operation_and_now_and_then_all_are_joined() {
    let (nodes, wires) = Wires::three().await;
    let (seen, a) = (Seen::default(), nodes[0].id());
    let noting = seen.clone();
    wires.rule(move |from, to, frame| {
        for batch in batches_of_load(frame).iter().filter(|batch| batch.actor.node == a && from == "a") {
            let mut seen = noting.lock().unwrap();
            let (ops, sent_to) = seen.entry(batch.first).or_default();
            *ops = batch.ops.to_vec();
            sent_to.push(to.into());
        }
        Fate::Arrives
    });
    let mut all: Vec<Published<Numbers>> = Vec::new();
    for node in &nodes {
        let probe = Arc::<Probe>::default();
        all.push(node.publisher("load", move || Numbers(probe.clone())).start().await.unwrap());
    }
    for number in 0..UPDATES {
        all[0].update(number as u128).await.unwrap();
    }
    let last = [&a.0[..], &[1], &(UPDATES as u64).to_be_bytes()].concat();
    let stamp = |node: &damson::Node| {
        let read = |view: damson::View<'_>| view.stamped(&Slot::key(last.clone()));
        node.scope("load").unwrap().read(read).map(|(_, stamp)| stamp.dot.seq)
    };
    eventually("all have the last", || nodes.iter().all(|node| stamp(node).is_some())).await;
    // With the first base, and two in which 158 updates of 26 bytes were joined, because that is more than 4 KiB.
    let (batches, operations) = (1 + UPDATES + 2, 1 + UPDATES + 2 * 159);
    assert_eq!(nodes.each_ref().map(stamp), [Some(operations as u64); 3]);
    let load = nodes[0].scopes().into_iter().find(|scope| scope.name.as_str() == "load").unwrap();
    assert_eq!(load.counters.written, batches as u64);
    // What a comparison has brought first is pushed no more.
    let seen = seen.lock().unwrap().clone();
    assert!(!seen.is_empty() && seen.values().all(|(ops, _)| [1, 159].contains(&ops.len())));
    let ops = seen.values().flat_map(|(ops, _)| ops);
    let (bases, others): (Vec<_>, Vec<_>) =
        ops.map(|op| (sizes(op), op)).partition(|((key, _), _)| *key == 17);
    assert!(bases.iter().all(|(sizes, _)| sizes.1 == Some(18 + 16)) && bases.len() <= 3);
    let (updates, removals): (Vec<_>, Vec<_>) = others.into_iter().partition(|(sizes, _)| sizes.1.is_some());
    assert!(updates.iter().all(|(sizes, op)| *sizes == (25, Some(10 + 16)) && op.kills.is_empty()));
    assert!(updates.len() <= UPDATES && removals.len() <= 2 * 158);
    let copies: usize = seen.values().map(|(_, sent_to)| sent_to.len()).sum();
    // A node that hears late of what is on its way may ask for it.
    assert!(copies <= 2 * batches + batches / 10, "each goes once over each link of its node: {copies}");
}
