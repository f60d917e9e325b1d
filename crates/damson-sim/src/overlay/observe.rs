//! All that the experiment knows of the inside of nodes and frames.

use std::sync::Arc;

use damson_core::broadcast::SourceTable;
use damson_core::membership::OverlayConfig;
use damson_core::node::{Config, Event, Node};
use damson_core::replica::Slot;
use damson_core::scope::ScopeName;
use damson_core::wire::Message;
use damson_crdt::{Limits, NodeId, codec};
use xxhash_rust::xxh3::xxh3_128;

use super::options::OverlayOptions;

/// Messages by their numbers on the wire.
pub(crate) const KINDS: [&str; 14] = [
    "hello",
    "welcome",
    "refuse",
    "ping",
    "pong",
    "ping_request",
    "ping_vouch",
    "push",
    "sync",
    "bye",
    "overlay",
    "have",
    "graft",
    "vector",
];
pub(crate) const HAVE: usize = 11;
pub(crate) const GRAFT: usize = 12;
pub(crate) const VECTOR: usize = 13;

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

/// A node's id. It ends with the node's number, so that no table is needed to find it.
pub(crate) fn id_of(seed: u64, at: u32) -> NodeId {
    let mut id = xxh3_128(format!("{seed}/{at}").as_bytes()).to_be_bytes();
    id[12..].copy_from_slice(&at.to_be_bytes());
    NodeId(id)
}

pub(crate) fn number_of(id: NodeId) -> u32 {
    let (_, number) = id.0.split_last_chunk().expect("an id has 16 bytes");
    u32::from_be_bytes(*number)
}

pub(crate) fn address_of(at: u32) -> String {
    format!("n{at}")
}

pub(crate) fn at_address(address: &str) -> Option<u32> {
    address.strip_prefix('n')?.parse().ok()
}

/// A cycle: one period of shuffles, in microseconds.
pub(crate) fn cycle_us() -> u64 {
    OverlayConfig::default().shuffle_ms * 1_000
}

pub(crate) fn has_roster(options: &OverlayOptions) -> bool {
    options.nodes <= ROSTER_NODES_MAX
}

/// All nodes that will ever be there, as possible authors.
pub(crate) fn sources(seed: u64, all: u32) -> Arc<SourceTable> {
    Arc::new(SourceTable::of((0..all).map(|at| id_of(seed, at))))
}

/// A node as it is, but for what the experiment varies.
pub(crate) fn config(
    options: &OverlayOptions,
    at: u32,
    contact: Option<u32>,
    sources: &Arc<SourceTable>,
) -> Config {
    let mut config = Config::new(address_of(at), "simulated");
    config.address = address_of(at);
    config.contacts = contact.map(address_of).into_iter().collect();
    config.overlay =
        OverlayConfig { active: options.active, passive: options.passive, ..OverlayConfig::default() };
    config.roster = has_roster(options);
    config.sources = Some(Arc::clone(sources));
    config.trace_deliveries = true;
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

/// The number of a frame's message: the second byte, behind the head of an array of two.
pub(crate) fn kind_of(frame: &[u8]) -> Option<usize> {
    frame.get(1).map(|number| usize::from(*number)).filter(|number| *number < KINDS.len())
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

    use damson_core::wire::OverlayMessage;
    use damson_crdt::{Actor, Batch, Hlc, Kills, Life, Operation, Target};

    use super::*;

    #[test]
    fn numbers_come_back_from_ids_and_addresses() {
        for at in [0, 1, 255, 256, 99_999] {
            assert_eq!(number_of(id_of(7, at)), at);
            assert_eq!(at_address(&address_of(at)), Some(at));
        }
        assert_ne!(id_of(1, 5), id_of(2, 5));
        assert_eq!(at_address("x5"), None);
    }

    #[test]
    fn kinds_are_the_numbers_on_the_wire() {
        let push = Message::Push { scope: scope(), batches: vec![], round: 1 };
        for (message, kind) in [
            (push, 7),
            (Message::Have(vec![]), HAVE),
            (Message::Graft(vec![]), GRAFT),
            (Message::Vector(vec![]), VECTOR),
            (Message::Overlay(OverlayMessage::Join), 10),
            (Message::Bye, 9),
        ] {
            assert_eq!(kind_of(&message.encode()), Some(kind), "{message:?}");
        }
        assert_eq!(kind_of(&[0x82]), None);
    }

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
