//! All that the experiment knows of the inside of nodes and frames.

use damson_core::membership::OverlayConfig;
use damson_core::node::{Config, Event, Node};
use damson_core::replica::Slot;
use damson_core::scope::ScopeName;
use damson_core::wire::Message;
use damson_crdt::{Limits, codec};

use super::options::OverlayOptions;
use crate::swarm::number_of;

/// The roster of more nodes than this would not fit into memory at every node.
const ROSTER_NODES_MAX: usize = 1_000;
/// The scope of the messages, and how a push of it begins: array of 2, its number, array of 3, the scope's name.
const SCOPE: &str = "default";
const PUSH_PREFIX: &[u8] = b"\x82\x07\x83\x67default";

/// A batch that the broadcast delivered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Delivered {
    pub author: u32,
    pub last: u64,
    pub round: u8,
    pub from: u32,
}

/// A cycle: one period of shuffles, in microseconds.
pub(crate) fn cycle_us() -> u64 {
    OverlayConfig::default().shuffle_ms * 1_000
}

/// How often neighbours are probed, and compared, in runs in which only the overlay and the broadcast are on.
const SELDOM_MS: u64 = 30_000;

pub(crate) fn has_roster(options: &OverlayOptions) -> bool {
    options.nodes <= ROSTER_NODES_MAX
}

/// A node as it is, but for what the experiment varies.
pub(crate) fn config(options: &OverlayOptions) -> Config {
    let mut config = Config::new("", "simulated");
    config.overlay =
        OverlayConfig { active: options.active, passive: options.passive, ..OverlayConfig::default() };
    config.roster = has_roster(options);
    config.trace_deliveries = true;
    if options.is_large() {
        (config.liveness.period_ms, config.sync.interval_ms) = (SELDOM_MS, SELDOM_MS);
    }
    if options.has_grown_trees() {
        // Each has a place only for itself.
        config.broadcast.sources_max = 1;
        config.broadcast.grown_max = usize::MAX;
    }
    config
}

pub(crate) fn active_view(node: &Node) -> Vec<u32> {
    node.active_view().into_iter().map(number_of).collect()
}

pub(crate) fn passive_view(node: &Node) -> Vec<u32> {
    node.passive_view().into_iter().map(number_of).collect()
}

pub(crate) fn delivered(event: &Event) -> Option<Delivered> {
    match event {
        Event::Delivered { scope, actor, last, round, from } if scope.as_str() == SCOPE => Some(Delivered {
            author: number_of(actor.node),
            last: *last,
            round: *round,
            from: number_of(*from),
        }),
        _ => None,
    }
}

pub(crate) fn scope() -> ScopeName {
    SCOPE.parse().expect("a scope name")
}

/// Where a message is written.
pub(crate) fn slot(message: usize) -> Slot {
    Slot::key(format!("message {message}").into_bytes())
}

/// Is the message there, however it came?
pub(crate) fn holds(node: &Node, message: usize, wall_ms: u64) -> bool {
    let replica = node.replica(&scope());
    replica.is_some_and(|replica| replica.view(wall_ms).register(&slot(message)).is_some())
}

/// The authors and last numbers of the batches in a push of the messages' scope.
pub(crate) fn payloads_in(frame: &[u8], limits: &Limits) -> Vec<(u32, u64)> {
    if !frame.starts_with(PUSH_PREFIX) {
        return Vec::new();
    }
    let Ok(Message::Push { batches, .. }) = Message::decode(frame) else { return Vec::new() };
    let batches = codec::decode_batches(&batches, limits).unwrap_or_default();
    batches.iter().map(|batch| (number_of(batch.actor.node), batch.last())).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use damson_crdt::{Actor, Batch, Hlc, Kills, Life, Operation, Target};

    use super::*;
    use crate::swarm::id_of;

    #[test]
    fn a_push_tells_whose_it_is() {
        let target = Target::Key(b"k".to_vec().into());
        let op = Operation { target, kills: Kills::default(), payload: None };
        let actor = Actor::new(id_of(3, 77), Life(9));
        let batch = Batch { actor, first: 4, hlc: Hlc(1), ops: Arc::from([op.clone(), op]) };
        let mut batches = Vec::new();
        codec::encode_batches(&mut batches, &[batch]);
        let push = |scope: &str| {
            let scope = scope.parse().unwrap();
            Message::Push { scope, batches: batches.clone(), round: 200 }.encode()
        };
        assert_eq!(payloads_in(&push(SCOPE), &Limits::default()), [(77, 5)]);
        assert_eq!(payloads_in(&push("~roster"), &Limits::default()), []);
    }
}
