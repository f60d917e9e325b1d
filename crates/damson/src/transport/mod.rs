//! Moving whole frames between two nodes that know who the other is.
//!
//! A [`Transport`] dials and accepts [`Link`]s; a link carries frames in both directions until it ends, and tells its
//! owner so by [`Link::incoming`] running dry. There is no reconnecting, no retrying and no ordering between links
//! here: what a link's end means is decided above.
//!
//! Five implementations:
//! - [`TcpTransport`]: TCP with mutual TLS 1.3, the default;
//! - [`MemoryTransport`]: channels within one process, with links that can be cut, for tests and demonstrations;
//! - [`ByoTransport`]: the application moves the bytes itself;
//! - [`DatagramTransport`]: the application moves messages, and may lose some;
//! - a [`Broadcaster`]: the same, where each message goes to all.
//!
//! Another one implements [`Transport`] and makes its links with [`Link::pair`].
//!
//! Inside, each link is two halves. The owner's half is [`Link`] with its [`LinkSender`]; the transport's half is an
//! `Endpoint` ([`ByoLink`] outside of here), which is fed from the wire and emptied to it. All transports share both halves, so limits, lanes
//! and the rules about when a link ends are the same everywhere:
//!
//! ```text
//!   owner                    |  transport
//!   LinkSender --try_send-->  lanes (of three kinds) --next frames-->  wire
//!   incoming   <--recv-----   bounded queue          <--deliver------  wire
//! ```
//!
//! A link ends when the owner calls [`LinkSender::close`], drops the receiver, or drops the last sender (frames
//! already queued are still sent, for a limited time), and when it calls [`LinkSender::abort`], the wire fails or the peer ends
//! it (what is queued is lost).

use std::pin::Pin;

mod admission;
mod backlog;
mod broadcaster;
mod byo;
mod counters;
mod datagrams;
mod error;
mod frame;
mod handshakes;
mod lanes;
mod link;
mod lookups;
mod memory;
mod stream;
mod tcp;
mod tls;

pub use admission::{Admission, ClusterSecret};
pub use backlog::Backlog;
pub(crate) use broadcaster::BroadcasterTransport;
pub use broadcaster::{BroadcastFault, Broadcaster, GossipBroadcaster, GossipBuffer, PubSub};
pub use byo::{ByoHandle, ByoLink, ByoTransport, DialRequest};
pub use counters::TransportCounters;
pub use datagrams::{
    DatagramCounters, DatagramHandle, DatagramLimits, DatagramTransport, HandleFault, SendFault,
};
pub use error::TransportError;
pub use lanes::{Idle, Lane, SendError};
pub use link::{Link, LinkLimits, LinkSender};
pub(crate) use lookups::Lookups;
pub use memory::{MemoryNetwork, MemoryTransport};
pub use tcp::{TcpConfig, TcpTransport};

/// The id of the node at the other end of a link.
pub type PeerId = [u8; 16];

/// A future behind a pointer, so that a transport can be a trait object.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way to reach other nodes and to be reached.
///
/// # Laws
/// - A returned link is authenticated: [`Link::peer`] is the id of the node at the other end, as far as the transport
///   promises anything at all about that.
/// - Frames arrive whole, unchanged, and within one lane in the order in which they were sent.
/// - Both methods may be dropped at any await without harm: a dial is given up, an accepted link is not lost.
pub trait Transport: Send + Sync + 'static {
    /// Makes a link to the node at `address`; ends within the limits of the implementation's configuration.
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Link, TransportError>>;

    /// Waits for the next link that another node made. Its only error is [`TransportError::Closed`], after which
    /// there will be no more; a peer that fails to make a link is logged and counted and does not show here.
    fn accept(&self) -> BoxFuture<'_, Result<Link, TransportError>>;

    /// Does it make links with this node? Asked once more when a link is up, because that may have changed since its handshake.
    fn admits(&self, _peer: &PeerId) -> bool {
        true
    }

    /// The address under which this transport is reached, as far as it knows: a port of 0 has become a real one.
    fn local_address(&self) -> String;
}
