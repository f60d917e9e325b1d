//! Which messages belong to which link.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rand_core::Rng;
use tokio::sync::mpsc;

use super::message::{Body, Message, Token};
use super::outbox::{self, Outboxes};
use super::{DatagramCounters, DatagramLimits, HandleFault};
use crate::clock::entropy;
use crate::transport::counters::add;
use crate::transport::{PeerId, TransportCounters};

/// Longest address of a peer, in bytes.
const ADDRESS_BYTES_MAX: usize = 255;
/// Messages that wait for a link's task: a window, and its acknowledgements.
const INBOX_MESSAGES_MAX: usize = 128;

/// Says whether an id belongs to an address.
pub(super) type Admission = dyn Fn(&str, &PeerId) -> bool + Send + Sync;

/// What all links of a transport share.
pub(super) struct Hub {
    id: PeerId,
    limits: DatagramLimits,
    counters: Arc<DatagramCounters>,
    totals: Arc<TransportCounters>,
    admission: Mutex<Option<Arc<Admission>>>,
    ends: Arc<Mutex<Ends>>,
    outboxes: Arc<Outboxes>,
    asked: mpsc::Sender<Opening>,
}

/// Our ends of links and dials, by their tokens.
type Ends = BTreeMap<Token, End>;

struct End {
    address: String,
    /// The token at the other end; absent while we dial.
    peer: Option<Token>,
    inbox: mpsc::Sender<Arrival>,
}

/// A peer asks for a link.
pub(super) struct Opening {
    pub address: String,
    pub token: Token,
    pub id: PeerId,
}

/// What comes for one end.
pub(super) enum Arrival {
    Message { from: Token, body: Body },
    Unreachable(String),
}

/// An end in the table, as long as this lives.
pub(super) struct Place {
    pub hub: Arc<Hub>,
    pub token: Token,
    pub address: String,
}

impl Hub {
    pub fn new(
        id: PeerId,
        send: Box<outbox::Send>,
        limits: DatagramLimits,
        asked: mpsc::Sender<Opening>,
    ) -> Self {
        let ends = Arc::new(Mutex::new(Ends::new()));
        let counters = Arc::new(DatagramCounters::default());
        let unreachable = {
            let ends = ends.clone();
            move |address: &str, reason: &str| end_all(&mut ends.lock(), address, reason)
        };
        let outboxes = Outboxes::new(send, Box::new(unreachable), counters.clone(), limits.links_max + 1);
        let totals = Arc::default();
        Self { id, limits, counters, totals, admission: Mutex::default(), ends, outboxes, asked }
    }

    pub fn set_admission(&self, admission: Arc<Admission>) {
        *self.admission.lock() = Some(admission);
    }

    pub fn id(&self) -> PeerId {
        self.id
    }

    pub fn limits(&self) -> &DatagramLimits {
        &self.limits
    }

    pub fn counters(&self) -> &Arc<DatagramCounters> {
        &self.counters
    }

    pub fn totals(&self) -> &Arc<TransportCounters> {
        &self.totals
    }

    /// Does the application say that this id belongs to this address?
    pub fn admits(&self, address: &str, id: &PeerId) -> bool {
        let Some(admission) = self.admission.lock().clone() else { return true };
        // A check that panics has not said yes.
        catch_unwind(AssertUnwindSafe(|| admission(address, id))).unwrap_or(false)
    }

    /// Takes a message from the network to where it belongs.
    pub fn handle(&self, from: &str, bytes: Bytes) -> Result<(), HandleFault> {
        let length = bytes.len();
        let message = Message::decode(bytes).filter(|_| from.len() <= ADDRESS_BYTES_MAX);
        let Some(message) = message else {
            add(&self.counters.malformed, 1);
            return Err(HandleFault::Malformed);
        };
        add(&self.totals.bytes_in, length);
        match message.body {
            Body::Open(id) => self.on_open(from, message.from, id),
            body => self.on_message(from, message.to, message.from, body),
        }
    }

    fn on_open(&self, address: &str, token: Token, id: PeerId) -> Result<(), HandleFault> {
        if let Some(end) = self.ends.lock().values().find(|end| end.is_to(address, token)) {
            return self.put_in(end, Arrival::Message { from: token, body: Body::Open(id) });
        }
        self.asked.try_send(Opening { address: address.into(), token, id }).map_err(|error| match error {
            mpsc::error::TrySendError::Closed(_) => HandleFault::Closed,
            mpsc::error::TrySendError::Full(_) => self.overflowed(),
        })
    }

    fn on_message(&self, address: &str, to: Token, from: Token, body: Body) -> Result<(), HandleFault> {
        let ends = self.ends.lock();
        if let Some(end) = ends.get(&to).filter(|end| end.expects(address, from)) {
            return self.put_in(end, Arrival::Message { from, body });
        }
        drop(ends);
        add(&self.counters.stray, 1);
        if body != Body::End {
            self.send_end(address, to, from);
        }
        Ok(())
    }

    fn put_in(&self, end: &End, arrival: Arrival) -> Result<(), HandleFault> {
        end.inbox.try_send(arrival).map_err(|_| self.overflowed())
    }

    fn overflowed(&self) -> HandleFault {
        add(&self.counters.overflowed, 1);
        HandleFault::Dropped
    }

    /// Tells a peer that there is no such link.
    pub fn send_end(&self, address: &str, from: Token, to: Token) {
        self.outboxes.put_stray(address, Message { to, from, body: Body::End }.encode());
    }

    /// A message to an address with which there need be no link.
    pub fn send_stray(&self, address: &str, message: Bytes) {
        self.outboxes.put_stray(address, message);
    }

    /// Is there an end to this very peer?
    pub fn knows(&self, address: &str, peer: Token) -> bool {
        self.ends.lock().values().any(|end| end.is_to(address, peer))
    }

    /// A place for one more end; `None` when there are as many as there may be.
    pub fn place(
        self: &Arc<Self>,
        address: &str,
        peer: Option<Token>,
    ) -> Option<(Place, mpsc::Receiver<Arrival>)> {
        let mut ends = self.ends.lock();
        if ends.len() >= self.limits.links_max {
            return None;
        }
        let token = entropy().next_u64();
        let (inbox, arrivals) = mpsc::channel(INBOX_MESSAGES_MAX);
        ends.insert(token, End { address: address.into(), peer, inbox });
        Some((Place { hub: self.clone(), token, address: address.into() }, arrivals))
    }
}

impl End {
    fn is_to(&self, address: &str, peer: Token) -> bool {
        self.peer == Some(peer) && self.address == address
    }

    /// May a message come from there?
    fn expects(&self, address: &str, from: Token) -> bool {
        self.address == address && self.peer.is_none_or(|peer| peer == from)
    }
}

impl Place {
    /// The other end has answered.
    pub fn answered(&self, peer: Token) {
        if let Some(end) = self.hub.ends.lock().get_mut(&self.token) {
            end.peer = Some(peer);
        }
    }

    /// Sends a message to the other end.
    pub fn send(&self, to: Token, body: Body) {
        let message = Message { to, from: self.token, body }.encode();
        add(&self.hub.totals.bytes_out, message.len());
        self.hub.outboxes.put(&self.address, message);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.hub.ends.lock().remove(&self.token);
    }
}

/// Nobody is at this address: links and dials end.
fn end_all(ends: &mut Ends, address: &str, reason: &str) {
    ends.retain(|_, end| {
        let stays = end.address != address;
        if !stays {
            // One whose inbox is full sees the inbox's end instead.
            let _ = end.inbox.try_send(Arrival::Unreachable(reason.into()));
        }
        stays
    });
}
