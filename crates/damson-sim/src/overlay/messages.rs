//! The messages of a run, and who got them when.

use std::collections::BTreeMap;

use damson_core::node::Event;
use damson_core::time::Time;
use damson_crdt::Limits;

use super::World;
use super::observe::{self, Delivered};
use crate::swarm::Witness;

/// A node got a message by the broadcast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Delivery {
    /// Microseconds after the write.
    pub after_us: u32,
    /// Hops from the sender.
    pub round: u8,
    /// Who pushed it.
    pub from: u32,
}

/// A message.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub sender: u32,
    pub sent: Time,
    /// Sent to see whether all is healed: it counts for that only.
    pub probe: bool,
    /// Hops from the sender to the farthest node, and the time along the fastest paths, when it was sent.
    pub eccentricity: u32,
    pub farthest_us: u64,
    /// Frames with this payload that reached a living node.
    pub payloads: u64,
    /// Of the nodes that live from the sending on, as many have it when its time is over, however it came: (those that
    /// have it, all).
    pub held: Option<(u64, u64)>,
    /// By node; the sender's own is not in it.
    pub deliveries: Vec<Option<Delivery>>,
}

/// All messages, in the order of sending.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    pub list: Vec<Message>,
    /// By author and number of the operation.
    by_operation: BTreeMap<(u32, u64), usize>,
    limits: Limits,
}

/// Of a message's value.
const VALUE_BYTES: usize = 100;

impl Messages {
    /// The number of the next message.
    pub fn next(&self) -> usize {
        self.list.len()
    }

    fn sent(&mut self, message: Message, last: u64) {
        self.by_operation.insert((message.sender, last), self.list.len());
        self.list.push(message);
    }

    fn payload_came(&mut self, operation: (u32, u64)) {
        if let Some(number) = self.by_operation.get(&operation) {
            self.list[*number].payloads += 1;
        }
    }

    fn delivered(&mut self, at: u32, what: &Delivered, now: Time) {
        let Some(number) = self.by_operation.get(&(what.author, what.last)) else { return };
        let message = &mut self.list[*number];
        let at = at as usize;
        if message.deliveries.len() <= at {
            message.deliveries.resize(at + 1, None);
        }
        let after_us = u32::try_from(now.0 - message.sent.0).unwrap_or(u32::MAX);
        message.deliveries[at].get_or_insert(Delivery { after_us, round: what.round, from: what.from });
    }
}

impl Witness for Messages {
    fn frame(&mut self, frame: &[u8]) {
        for operation in observe::payloads_in(frame, &self.limits) {
            self.payload_came(operation);
        }
    }

    fn told(&mut self, at: u32, event: &Event, now: Time) {
        if let Some(delivered) = observe::delivered(event) {
            self.delivered(at, &delivered, now);
        }
    }
}

impl World {
    /// A node writes a message of which all but the deliveries is known.
    pub fn write(&mut self, message: Message) {
        let (number, at) = (self.witness.next(), message.sender);
        let mut value = format!("{number} ").into_bytes();
        value.resize(VALUE_BYTES, b'.');
        let written = self.call(at, |node, now, fx| {
            node.write(&observe::scope(), now, fx, |tx| {
                tx.put_register(&observe::slot(number), value.into(), None)
            })
        });
        let batch = written.and_then(|written| written.ok()?.batch).expect("a living node writes");
        self.witness.sent(message, batch.last());
    }
}

impl Message {
    /// Was it there at this time after the write?
    pub fn reached(&self, at: u32, within_us: u64) -> bool {
        at == self.sender || self.delivery(at).is_some_and(|d| u64::from(d.after_us) <= within_us)
    }

    pub fn delivery(&self, at: u32) -> Option<Delivery> {
        self.deliveries.get(at as usize).copied().flatten()
    }

    /// All deliveries, by node.
    pub fn delivered(&self) -> impl Iterator<Item = (u32, Delivery)> {
        (0..).zip(&self.deliveries).filter_map(|(at, delivery)| Some((at, (*delivery)?)))
    }
}
