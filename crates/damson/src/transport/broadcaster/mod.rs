//! Nodes on something that carries each message to everybody: a publish/subscribe bus.
//!
//! A node that is given a [`Broadcaster`] ([`NodeBuilder::broadcaster`](crate::NodeBuilder::broadcaster)) sends each message of its
//! links to all, with the addresses of sender and receiver before it, and drops what is for others. Messages may be lost: links
//! are those of a [`DatagramTransport`](super::DatagramTransport), and nobody is authenticated, as there. It says now and then that it is
//! there, so that nodes on one broadcaster find each other without contacts.
//!
//! ```text
//!   magic 1 | length 1, to | length 1, from | message             `to` is empty: the sender is there
//! ```

mod announcing;
mod envelope;
mod gossip;
mod node;

use std::sync::Arc;

use bytes::Bytes;

use super::BoxFuture;

pub use gossip::{GossipBroadcaster, GossipBuffer, PubSub};
pub(crate) use node::BroadcasterTransport;

/// Carries messages to all, and back. Messages may be lost, doubled, come in any order, and come back to who sent them.
pub trait Broadcaster: Send + Sync + 'static {
    /// Sends to all. It is called on threads of their own, one for each peer: it may block, for that peer alone.
    ///
    /// # Errors
    /// [`BroadcastFault`]: the message is lost, and will be sent again.
    fn broadcast(&self, data: Bytes) -> Result<(), BroadcastFault>;

    /// Waits for the next message; `None` at the end, and from then on always. Must not block: it waits by its future. May be
    /// dropped at any await.
    fn next(&self) -> BoxFuture<'_, Option<Bytes>>;
}

/// Why something was not broadcast, or not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BroadcastFault {
    /// The broadcaster was closed; nothing will be sent or taken any more.
    #[error("the broadcaster is closed")]
    Closed,
    /// The bus below did not take it; the next may succeed.
    #[error("the bus failed: {reason}")]
    Failed {
        /// What the bus said.
        reason: String,
    },
}

impl<B: Broadcaster + ?Sized> Broadcaster for Arc<B> {
    fn broadcast(&self, data: Bytes) -> Result<(), BroadcastFault> {
        (**self).broadcast(data)
    }

    fn next(&self) -> BoxFuture<'_, Option<Bytes>> {
        (**self).next()
    }
}
