//! A network within one process, whose links can be cut: for tests, demonstrations and embedded clusters.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use parking_lot::Mutex;
use tokio::{
    sync::{Mutex as AsyncMutex, mpsc},
    task::AbortHandle,
};

use super::{
    BoxFuture, Link, LinkLimits, PeerId, Transport, TransportError, frame::CHUNK_BYTES, lanes::Taken,
    link::Endpoint,
};

/// Links that were dialled and not yet accepted by one transport; above, dialling it fails.
const BACKLOG_LINKS_MAX: usize = 64;

/// The network; clones are the same network. Links need a running tokio runtime and nothing else.
#[derive(Clone, Default)]
pub struct MemoryNetwork {
    wiring: Arc<Mutex<Wiring>>,
    limits: LinkLimits,
}

#[derive(Default)]
struct Wiring {
    /// How many listeners there have been.
    placed: u64,
    listeners: BTreeMap<String, Listener>,
    cut: BTreeSet<Pair>,
    links: Vec<Wire>,
}

struct Listener {
    serial: u64,
    peer: PeerId,
    backlog: mpsc::Sender<Link>,
}

struct Wire {
    pair: Pair,
    carrier: AbortHandle,
}

/// Two addresses in order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Pair(String, String);

impl MemoryNetwork {
    /// An empty network with the default limits for links.
    pub fn new() -> MemoryNetwork {
        MemoryNetwork::default()
    }

    /// An empty network.
    ///
    /// # Errors
    /// [`TransportError::Config`] if the limits make no sense.
    pub fn with_limits(limits: LinkLimits) -> Result<MemoryNetwork, TransportError> {
        limits.validate()?;
        Ok(MemoryNetwork { wiring: Arc::default(), limits })
    }

    /// Puts a node at `address`. A transport that was there before gets no more links: the node was restarted.
    pub fn transport(&self, address: impl Into<String>, peer: PeerId) -> MemoryTransport {
        let address = address.into();
        let (backlog, accepted) = mpsc::channel(BACKLOG_LINKS_MAX);
        let mut wiring = self.wiring.lock();
        wiring.placed += 1;
        let serial = wiring.placed;
        wiring.listeners.insert(address.clone(), Listener { serial, peer, backlog });
        let accepted = AsyncMutex::new(accepted);
        MemoryTransport { network: self.clone(), address, peer, serial, accepted }
    }

    /// Cuts the wire between two addresses: links end and dialling fails, until it is restored.
    pub fn cut(&self, a: &str, b: &str) {
        self.wiring.lock().cut_all([Pair::new(a, b)]);
    }

    /// Undoes [`MemoryNetwork::cut`]; ended links stay ended.
    pub fn restore(&self, a: &str, b: &str) {
        self.wiring.lock().cut.remove(&Pair::new(a, b));
    }

    /// Cuts all wires between nodes of different groups. Nodes that are in no group form one more group. Wires
    /// within a group are left as they are, cut ones too.
    pub fn partition(&self, groups: &[&[&str]]) {
        let mut wiring = self.wiring.lock();
        let group_of = |address: &str| groups.iter().position(|group| group.contains(&address));
        let addresses: Vec<String> = wiring.listeners.keys().cloned().collect();
        let mut between = Vec::new();
        for (index, a) in addresses.iter().enumerate() {
            for b in addresses[index + 1..].iter().filter(|b| group_of(a) != group_of(b)) {
                between.push(Pair::new(a, b));
            }
        }
        wiring.cut_all(between);
    }

    /// Restores every wire.
    pub fn heal(&self) {
        self.wiring.lock().cut.clear();
    }

    fn dial(&self, from: &MemoryTransport, address: &str) -> Result<Link, TransportError> {
        let failed =
            |kind| TransportError::Connect { address: address.into(), source: io::Error::from(kind) };
        let pair = Pair::new(&from.address, address);
        let mut wiring = self.wiring.lock();
        if wiring.cut.contains(&pair) {
            return Err(failed(io::ErrorKind::HostUnreachable));
        }
        let listener =
            wiring.listeners.get(address).ok_or_else(|| failed(io::ErrorKind::ConnectionRefused))?;
        let (near, near_end) = Link::new(listener.peer, address.into(), &self.limits);
        let (far, far_end) = Link::new(from.peer, from.address.clone(), &self.limits);
        listener.backlog.try_send(far).map_err(|_| failed(io::ErrorKind::ConnectionRefused))?;
        let carrier = tokio::spawn(carry(near_end, far_end)).abort_handle();
        wiring.links.retain(|wire| !wire.carrier.is_finished());
        wiring.links.push(Wire { pair, carrier });
        Ok(near)
    }
}

impl Wiring {
    fn cut_all(&mut self, pairs: impl IntoIterator<Item = Pair>) {
        self.cut.extend(pairs);
        for wire in self.links.iter().filter(|wire| self.cut.contains(&wire.pair)) {
            wire.carrier.abort();
        }
    }
}

impl Pair {
    fn new(a: &str, b: &str) -> Pair {
        Pair(a.min(b).into(), a.max(b).into())
    }
}

/// One node's place in a [`MemoryNetwork`]. Dropping it takes the node off the network for new links.
pub struct MemoryTransport {
    network: MemoryNetwork,
    address: String,
    peer: PeerId,
    /// Tells our own entry in the network from that of a successor.
    serial: u64,
    accepted: AsyncMutex<mpsc::Receiver<Link>>,
}

impl Transport for MemoryTransport {
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Link, TransportError>> {
        Box::pin(async move { self.network.dial(self, address) })
    }

    fn accept(&self) -> BoxFuture<'_, Result<Link, TransportError>> {
        Box::pin(async move { self.accepted.lock().await.recv().await.ok_or(TransportError::Closed) })
    }

    fn local_address(&self) -> String {
        self.address.clone()
    }
}

impl Drop for MemoryTransport {
    fn drop(&mut self) {
        let mut wiring = self.network.wiring.lock();
        if wiring.listeners.get(&self.address).is_some_and(|it| it.serial == self.serial) {
            wiring.listeners.remove(&self.address);
        }
    }
}

/// Moves frames both ways until either side ends the link. Aborting it is what cuts a wire.
async fn carry(near: Endpoint, far: Endpoint) {
    tokio::select! {
        () = forward(&near, &far) => {}
        () = forward(&far, &near) => {}
        () = near.given_up() => {}
        () = far.given_up() => {}
    }
}

async fn forward(from: &Endpoint, to: &Endpoint) {
    let mut frames = Vec::new();
    loop {
        match from.take(&mut frames, CHUNK_BYTES) {
            Taken::Frames => {
                for frame in frames.drain(..) {
                    to.deliver(frame).await;
                }
            }
            Taken::Nothing => from.filled().await,
            Taken::Finished => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::{Lane, SendError};

    async fn linked(a: &MemoryTransport, b: &MemoryTransport) -> (Link, Link) {
        let dialed = a.dial(&b.local_address()).await.unwrap();
        (dialed, b.accept().await.unwrap())
    }

    #[tokio::test]
    async fn frames_go_both_ways_and_ids_match() {
        let network = MemoryNetwork::new();
        let (a, b) = (network.transport("a", [1; 16]), network.transport("b", [2; 16]));
        let (mut at_a, mut at_b) = linked(&a, &b).await;
        assert_eq!((at_a.peer, at_b.peer), ([2; 16], [1; 16]));
        at_a.sender.try_send(Lane::Bulk, "there".into()).unwrap();
        at_b.sender.try_send(Lane::Urgent, "back".into()).unwrap();
        assert_eq!(at_b.incoming.recv().await.unwrap(), "there");
        assert_eq!(at_a.incoming.recv().await.unwrap(), "back");
    }

    #[tokio::test]
    async fn dropping_a_link_ends_the_other_half_after_its_last_frame() {
        let network = MemoryNetwork::new();
        let (a, b) = (network.transport("a", [1; 16]), network.transport("b", [2; 16]));
        let (at_a, mut at_b) = linked(&a, &b).await;
        at_a.sender.try_send(Lane::Bulk, "goodbye".into()).unwrap();
        drop(at_a);
        assert_eq!(at_b.incoming.recv().await.unwrap(), "goodbye");
        assert_eq!(at_b.incoming.recv().await, None);
        assert_eq!(at_b.sender.try_send(Lane::Bulk, "?".into()), Err(SendError::Closed));
    }

    #[tokio::test]
    async fn a_cut_ends_links_and_fails_dials_until_it_is_restored() {
        let network = MemoryNetwork::new();
        let (a, b) = (network.transport("a", [1; 16]), network.transport("b", [2; 16]));
        let (mut at_a, mut at_b) = linked(&a, &b).await;
        network.cut("b", "a");
        assert_eq!(at_a.incoming.recv().await, None);
        assert_eq!(at_b.incoming.recv().await, None);
        assert!(matches!(b.dial("a").await, Err(TransportError::Connect { .. })));
        network.restore("a", "b");
        linked(&b, &a).await;
    }

    #[tokio::test]
    async fn a_partition_cuts_between_groups_only_and_heals() {
        let network = MemoryNetwork::new();
        let nodes: Vec<_> = ["a", "b", "c", "d"].map(|name| network.transport(name, [0; 16])).into();
        network.partition(&[&["a", "b"]]);
        assert!(nodes[0].dial("b").await.is_ok());
        assert!(nodes[2].dial("d").await.is_ok(), "those in no group are a group");
        assert!(nodes[0].dial("c").await.is_err());
        network.heal();
        assert!(nodes[0].dial("c").await.is_ok());
    }

    #[tokio::test]
    async fn a_restarted_node_takes_over_its_address() {
        let network = MemoryNetwork::new();
        let a = network.transport("a", [1; 16]);
        let old = network.transport("b", [2; 16]);
        let new = network.transport("b", [3; 16]);
        assert!(matches!(old.accept().await, Err(TransportError::Closed)));
        drop(old);
        let (at_a, _) = linked(&a, &new).await;
        assert_eq!(at_a.peer, [3; 16]);
        drop(new);
        assert!(a.dial("b").await.is_err());
    }
}
