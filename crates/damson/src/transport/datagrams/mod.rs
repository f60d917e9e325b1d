//! Links over messages that may be lost, doubled or arrive in another order: UDP, a publish/subscribe bus, messages of an
//! application's own.
//!
//! [`DatagramTransport`] says what it promises, and what not.
//!
//! ```text
//!   dial:    Open ->   <- Opened                   repeated until answered
//!   link:    Piece (part of a stream of frames), Ack          `flow`: the state machine; `carry`: the task
//!   end:     a last Piece, or End                  also the answer to messages of a link that is not known
//! ```

mod carry;
mod counters;
mod dialing;
mod flow;
mod hub;
mod limits;
mod message;
mod outbox;
mod receiving;
mod sending;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Weak};

use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, mpsc};

pub use counters::DatagramCounters;
pub use limits::DatagramLimits;

use super::{BoxFuture, Link, PeerId, Transport, TransportCounters, TransportError};
use hub::{Hub, Opening};

/// Links that peers have asked for and the node has not taken; above, the asking is lost and repeated.
const BACKLOG_MAX: usize = 64;

/// Links over messages that may be lost, doubled or arrive in another order.
///
/// The application gives a function that sends one message to an address, and hands in what came with
/// [`DatagramHandle::handle`]. Out of that come links that lose nothing while they are up: each numbers what it sends, sends again
/// what was not acknowledged, and ends when nothing is answered for [`DatagramLimits::silence_max`]. It is made for losses of
/// up to a tenth. There is no congestion control that would be fair to others in a network: what is under way is 64 messages for each
/// link, fewer while more than one in five is lost.
///
/// **Nobody is authenticated and nothing is encrypted.** A node believes the id with which a link begins, as it believes the
/// application of a [`ByoTransport`](super::ByoTransport). So the application vouches that what it hands in has come from the address
/// that it names, unchanged; [`DatagramTransport::admit`] can check which id belongs to which address. Junk, and messages of
/// earlier links, are recognised, counted and dropped.
pub struct DatagramTransport {
    address: String,
    hub: Arc<Hub>,
    openings: AsyncMutex<mpsc::Receiver<Opening>>,
}

/// Takes what came for a [`DatagramTransport`]. Clones are the same.
#[derive(Clone)]
pub struct DatagramHandle {
    hub: Weak<Hub>,
}

/// Why a message did not leave. Whatever it was part of stays as it is: what is missing is sent again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendFault {
    /// It is lost, as it may be in the network too: a full buffer, a short outage.
    #[error("the message is lost")]
    Lost,
    /// Nobody can be reached at that address. Its links end at once, and dials fail.
    #[error("unreachable: {reason}")]
    Unreachable {
        /// Why, for the node's log.
        reason: String,
    },
}

/// Why a message was not taken. Links are as they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandleFault {
    /// It is none of ours, or the address has more than 255 bytes. It is counted in [`DatagramCounters::malformed`].
    #[error("this is no message of a datagram link")]
    Malformed,
    /// The node is slower than messages come: this one is dropped, and will be sent again.
    #[error("the node is slower than messages come, this one is dropped")]
    Dropped,
    /// The transport is gone.
    #[error("the transport has ended")]
    Closed,
}

impl DatagramTransport {
    /// Makes both sides. `address` is what the node tells others as its address, and `id` its own
    /// ([`Identity::node_id`](crate::identity::Identity::node_id)). `send` gets the address of a peer and a message of at most
    /// `message_bytes_max` bytes. It is called on threads of their own, one for each address: it may block, for its own address
    /// alone. One that panics counts as [`SendFault::Unreachable`].
    ///
    /// # Errors
    /// [`TransportError::Config`] if the limits make no sense.
    pub fn new(
        address: impl Into<String>,
        id: PeerId,
        send: impl Fn(&str, Bytes) -> Result<(), SendFault> + Send + Sync + 'static,
        limits: DatagramLimits,
    ) -> Result<(DatagramTransport, DatagramHandle), TransportError> {
        limits.validate()?;
        let (asked, openings) = mpsc::channel(BACKLOG_MAX);
        let hub = Arc::new(Hub::new(id, Box::new(send), limits, asked));
        let handle = DatagramHandle { hub: Arc::downgrade(&hub) };
        Ok((DatagramTransport { address: address.into(), hub, openings: AsyncMutex::new(openings) }, handle))
    }

    /// Links only those of whom this says, of an address and the id that is claimed there, that they belong together. It
    /// is asked once for each link, and must not block; one that panics has said no. Default: whoever the application hands in.
    #[must_use]
    pub fn admit(self, check: impl Fn(&str, &PeerId) -> bool + Send + Sync + 'static) -> Self {
        self.hub.set_admission(Arc::new(check));
        self
    }

    /// Sends an empty message to no address: for a `send` that knows what that means.
    pub(super) fn announcer(&self) -> impl Fn() + Send + 'static {
        let hub = Arc::downgrade(&self.hub);
        move || _ = hub.upgrade().map(|hub| hub.send_stray("", Bytes::new()))
    }

    /// What happened since the start, beyond what [`DatagramTransport::transport_counters`] has.
    pub fn counters(&self) -> Arc<DatagramCounters> {
        self.hub.counters().clone()
    }

    /// Links, frames and bytes, for [`NodeBuilder::transport_counters`](crate::NodeBuilder::transport_counters).
    pub fn transport_counters(&self) -> Arc<TransportCounters> {
        self.hub.totals().clone()
    }
}

impl Transport for DatagramTransport {
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Link, TransportError>> {
        Box::pin(dialing::dial(self.hub.clone(), address))
    }

    fn accept(&self) -> BoxFuture<'_, Result<Link, TransportError>> {
        Box::pin(async move {
            let mut openings = self.openings.lock().await;
            loop {
                let opening = openings.recv().await.ok_or(TransportError::Closed)?;
                if let Some(link) = dialing::accept(&self.hub, opening) {
                    return Ok(link);
                }
            }
        })
    }

    fn local_address(&self) -> String {
        self.address.clone()
    }
}

impl DatagramHandle {
    /// Takes a message that came from an address. Never waits.
    ///
    /// # Errors
    /// See [`HandleFault`]: there is nothing to do about any but to go on.
    pub fn handle(&self, from: &str, message: Bytes) -> Result<(), HandleFault> {
        self.hub.upgrade().ok_or(HandleFault::Closed)?.handle(from, message)
    }
}
