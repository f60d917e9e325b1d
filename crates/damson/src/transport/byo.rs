//! "Bring your own": the application moves the bytes, over whatever network and with whatever authentication it has.
//!
//! The node holds a [`ByoTransport`]; the application holds the [`ByoHandle`]. When the node wants a link, the
//! application gets a [`DialRequest`]; when somebody reaches the application, it calls [`ByoHandle::connected`]. Both
//! ways give a [`ByoLink`]: put in what came from the wire, take out what must go on it.
//!
//! The application vouches for the ids that it names, for whole frames, and for their order.

use std::io;

use bytes::Bytes;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};

use super::{BoxFuture, Link, LinkLimits, PeerId, SendError, Transport, TransportError, link::Endpoint};

/// Dials the application has not looked at, and links the node has not accepted; above, dials wait and inbound links
/// end at once.
const BACKLOG_MAX: usize = 64;

/// The node's side: a transport whose bytes the application moves.
pub struct ByoTransport {
    address: String,
    dials: mpsc::Sender<DialRequest>,
    limits: LinkLimits,
    accepted: AsyncMutex<mpsc::Receiver<Link>>,
}

/// The application's side.
pub struct ByoHandle {
    dials: mpsc::Receiver<DialRequest>,
    inbound: mpsc::Sender<Link>,
    limits: LinkLimits,
}

impl ByoTransport {
    /// Makes both sides. `address` is what the node tells others as its address; what it means is up to the
    /// application.
    ///
    /// # Errors
    /// [`TransportError::Config`] if the limits make no sense.
    pub fn new(
        address: impl Into<String>,
        limits: LinkLimits,
    ) -> Result<(ByoTransport, ByoHandle), TransportError> {
        limits.validate()?;
        let (dials, requests) = mpsc::channel(BACKLOG_MAX);
        let (inbound, accepted) = mpsc::channel(BACKLOG_MAX);
        let handle = ByoHandle { dials: requests, inbound, limits: limits.clone() };
        let accepted = AsyncMutex::new(accepted);
        Ok((ByoTransport { address: address.into(), dials, limits, accepted }, handle))
    }
}

impl Transport for ByoTransport {
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Link, TransportError>> {
        Box::pin(async move {
            let (answer, answered) = oneshot::channel();
            let request = DialRequest { address: address.into(), limits: self.limits.clone(), answer };
            self.dials.send(request).await.map_err(|_| TransportError::Closed)?;
            let dropped = || io::Error::other("the application dropped the request");
            let answer = answered.await.unwrap_or_else(|_| Err(dropped()));
            answer.map_err(|source| TransportError::Connect { address: address.into(), source })
        })
    }

    fn accept(&self) -> BoxFuture<'_, Result<Link, TransportError>> {
        Box::pin(async move { self.accepted.lock().await.recv().await.ok_or(TransportError::Closed) })
    }

    fn local_address(&self) -> String {
        self.address.clone()
    }
}

impl ByoHandle {
    /// Waits for the node to want a link; `None` once the node has dropped its transport.
    pub async fn next_dial(&mut self) -> Option<DialRequest> {
        self.dials.recv().await
    }

    /// Tells the node that `peer` has connected from `address`. If the node takes no more links, the one returned
    /// has already ended.
    pub fn connected(&self, peer: PeerId, address: impl Into<String>) -> ByoLink {
        let (link, endpoint) = Link::new(peer, address.into(), &self.limits);
        // A link that does not fit into the backlog is dropped here, which ends it.
        let _ = self.inbound.try_send(link);
        ByoLink { endpoint }
    }
}

/// The node wants a link. Dropping the request fails the dial. The application sets its own time limit.
pub struct DialRequest {
    address: String,
    limits: LinkLimits,
    answer: oneshot::Sender<io::Result<Link>>,
}

impl DialRequest {
    /// Where to.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The connection is made, and `peer` is who is there.
    pub fn connected(self, peer: PeerId) -> ByoLink {
        let (link, endpoint) = Link::new(peer, self.address, &self.limits);
        // A node that waits no more drops the link, which ends it.
        let _ = self.answer.send(Ok(link));
        ByoLink { endpoint }
    }

    /// No connection could be made; `why` goes into the node's log.
    pub fn failed(self, why: io::Error) {
        let _ = self.answer.send(Err(why));
    }
}

/// One link, as the application or a transport of its own sees it. Dropping it ends the link: that is how to say that the wire has failed.
pub struct ByoLink {
    endpoint: Endpoint,
}

impl ByoLink {
    pub(super) fn new(endpoint: Endpoint) -> ByoLink {
        ByoLink { endpoint }
    }

    /// Hands the node a frame from the wire.
    ///
    /// # Errors
    /// [`SendError::Full`]: the node is slower than the wire; keep the frame and stop reading for a moment.
    /// [`SendError::Closed`]: the node has ended the link. [`SendError::TooLarge`]: drop the link, its peer
    /// breaks the rules.
    pub fn receive(&self, frame: Bytes) -> Result<(), SendError> {
        self.endpoint.try_deliver(frame)
    }

    /// The same, but waits for room. Dropped at its await, the frame is lost or not.
    ///
    /// # Errors
    /// [`SendError::Closed`] and [`SendError::TooLarge`], as [`ByoLink::receive`].
    pub async fn deliver(&self, frame: Bytes) -> Result<(), SendError> {
        let (bytes, limit) = (frame.len(), self.endpoint.limits().frame_bytes_max);
        if bytes > limit {
            return Err(SendError::TooLarge { bytes, limit });
        }
        tokio::select! {
            () = self.endpoint.deliver(frame) => Ok(()),
            () = self.endpoint.given_up() => Err(SendError::Closed),
        }
    }

    /// Waits until the node has ended the link, and the time is over in which it may still be sent what was queued.
    pub async fn ended(&self) {
        self.endpoint.given_up().await;
    }

    /// Waits for the next frame for the wire; `None` once the node has ended the link and everything before was
    /// taken. May be dropped at any await without losing a frame. For one task at a time.
    pub async fn next_to_send(&self) -> Option<Bytes> {
        self.endpoint.next_to_send().await
    }

    /// Ends the link, as dropping it does.
    pub fn close(self) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Lane;

    fn byo() -> (ByoTransport, ByoHandle) {
        ByoTransport::new("here", LinkLimits::default()).unwrap()
    }

    #[tokio::test]
    async fn a_frame_makes_the_round_trip_between_two_nodes() {
        let ((node_a, mut application_a), (node_b, application_b)) = (byo(), byo());
        let application = async {
            let request = application_a.next_dial().await.unwrap();
            assert_eq!(request.address(), "b");
            (request.connected([2; 16]), application_b.connected([1; 16], "a"))
        };
        let (dialed, accepted, (wire_a, wire_b)) =
            tokio::join!(node_a.dial("b"), node_b.accept(), application);
        let (mut at_a, mut at_b) = (dialed.unwrap(), accepted.unwrap());
        assert_eq!((at_a.peer, at_b.peer), ([2; 16], [1; 16]));

        at_a.sender.try_send(Lane::Bulk, "there".into()).unwrap();
        wire_b.receive(wire_a.next_to_send().await.unwrap()).unwrap();
        assert_eq!(at_b.incoming.recv().await.unwrap(), "there");
        at_b.sender.try_send(Lane::Urgent, "back".into()).unwrap();
        wire_a.receive(wire_b.next_to_send().await.unwrap()).unwrap();
        assert_eq!(at_a.incoming.recv().await.unwrap(), "back");
    }

    #[tokio::test]
    async fn the_application_ends_a_link_by_closing_it() {
        let (node, application) = byo();
        let wire = application.connected([1; 16], "a");
        let mut link = node.accept().await.unwrap();
        wire.close();
        assert_eq!(link.incoming.recv().await, None);
    }

    #[tokio::test]
    async fn the_node_ends_a_link_by_dropping_it() {
        let (node, application) = byo();
        let wire = application.connected([1; 16], "a");
        let link = node.accept().await.unwrap();
        link.sender.try_send(Lane::Bulk, "goodbye".into()).unwrap();
        drop(link);
        assert_eq!(wire.next_to_send().await.unwrap(), "goodbye");
        assert_eq!(wire.next_to_send().await, None);
        assert_eq!(wire.receive(Bytes::new()), Err(SendError::Closed));
    }

    #[tokio::test]
    async fn a_dial_that_the_application_fails_or_forgets_is_an_error() {
        let (node, mut application) = byo();
        let fail = async { application.next_dial().await.unwrap().failed(io::Error::other("no route")) };
        let (dialed, ()) = tokio::join!(node.dial("b"), fail);
        assert!(dialed.unwrap_err().to_string().contains("no route"));
        let forget = async { drop(application.next_dial().await) };
        let (dialed, ()) = tokio::join!(node.dial("b"), forget);
        assert!(matches!(dialed, Err(TransportError::Connect { .. })));
        drop(application);
        assert!(matches!(node.dial("b").await, Err(TransportError::Closed)));
    }
}
