//! Nodes over messages that may be lost, and over a transport from outside the crate.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use damson::identity::Identity;
use damson::transport::{
    BoxFuture, ByoLink, DatagramHandle, DatagramLimits, DatagramTransport, HandleFault, Link, LinkLimits,
    PeerId, SendFault, Transport, TransportError,
};
use damson::{DialConfig, Node, NodeBuilder, SyncConfig};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use tokio::sync::{Mutex as AsyncMutex, mpsc};

pub(crate) async fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("not within thirty seconds: {what}");
}

pub(crate) fn quick(name: &str) -> NodeBuilder {
    Node::builder(name)
        .anti_entropy(SyncConfig { interval_ms: 200, ..SyncConfig::default() })
        .dialing(DialConfig { backoff_ms_max: 300, ..DialConfig::default() })
}

/// Every node has the same, and each counts to `sum`.
pub(crate) async fn agree(nodes: &[&Node], sum: i64) {
    for node in nodes {
        let count = || node.scope("app").unwrap().counter("n").get();
        eventually("the sum is known", || count() == sum).await;
    }
    eventually("digests agree", || nodes.iter().all(|node| node.digest() == nodes[0].digest())).await;
}

async fn add(node: &Node, n: i64) {
    node.scope("app").unwrap().counter("n").add(n).await.unwrap();
}

/// A network that loses, doubles and delays messages, each by chance.
#[derive(Clone)]
struct Network {
    lost_pct: u64,
    rng: Arc<Mutex<ChaCha8Rng>>,
    nodes: Arc<Mutex<BTreeMap<String, DatagramHandle>>>,
    lost: Arc<AtomicU64>,
    runtime: tokio::runtime::Handle,
}

impl Network {
    fn new(seed: u64, lost_pct: u64) -> Self {
        let rng = Arc::new(Mutex::new(ChaCha8Rng::seed_from_u64(seed)));
        let (nodes, lost) = (Arc::default(), Arc::default());
        Self { lost_pct, rng, nodes, lost, runtime: tokio::runtime::Handle::current() }
    }

    fn send(&self, from: &str, to: &str, message: Bytes) {
        let mut rng = self.rng.lock().unwrap();
        if rng.next_u64() % 100 < self.lost_pct {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let Some(there) = self.nodes.lock().unwrap().get(to).cloned() else { return };
        for _ in 0..1 + u64::from(rng.next_u64() % 100 < 5) {
            let delay = Duration::from_micros(rng.next_u64() % 3_000);
            let (there, from, message) = (there.clone(), from.to_string(), message.clone());
            self.runtime.spawn(async move {
                tokio::time::sleep(delay).await;
                let _ = there.handle(&from, message);
            });
        }
    }

    /// A transport at an address of this network.
    fn transport(&self, address: &str, id: PeerId) -> DatagramTransport {
        let (network, from) = (self.clone(), address.to_string());
        let send = move |to: &str, message| {
            network.send(&from, to, message);
            Ok(())
        };
        self.transport_that(address, id, send)
    }

    fn transport_that(
        &self,
        address: &str,
        id: PeerId,
        send: impl Fn(&str, Bytes) -> Result<(), SendFault> + Send + Sync + 'static,
    ) -> DatagramTransport {
        let (transport, handle) =
            DatagramTransport::new(address, id, send, DatagramLimits::default()).unwrap();
        self.nodes.lock().unwrap().insert(address.into(), handle);
        transport
    }

    async fn node(&self, name: &str) -> Node {
        let identity = Identity::generate();
        let transport = self.transport(name, identity.node_id());
        quick(name).identity(identity).transport(transport).join("a").start().await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_nodes_agree_over_a_network_that_loses_a_tenth_and_doubles_and_reorders() {
    let network = Network::new(1, 10);
    let (a, b, c) = (network.node("a").await, network.node("b").await, network.node("c").await);
    let large = "x".repeat(300_000);
    a.scope("app").unwrap().register::<String>("large").put(&large).await.unwrap();
    for n in 0..50 {
        for node in [&a, &b, &c] {
            add(node, 1).await;
            let element = format!("{} {n}", node.id());
            node.scope("app").unwrap().set("s").insert(element).await.unwrap();
        }
    }
    agree(&[&a, &b, &c], 150).await;
    for node in [&a, &b, &c] {
        let scope = node.scope("app").unwrap();
        assert_eq!(scope.set("s").len(), 150);
        assert_eq!(scope.register::<String>("large").get().unwrap().as_ref(), Some(&large));
    }
    assert!(network.lost.load(Ordering::Relaxed) > 20, "the network was too kind");
}

/// What the `send` of a node does with messages for c.
async fn with_trouble(trouble: impl Fn() -> Result<(), SendFault> + Send + Sync + 'static) {
    let network = Network::new(2, 0);
    let identity = Identity::generate();
    let wire = network.clone();
    let send = move |to: &str, message| {
        if to == "c" {
            return trouble();
        }
        wire.send("a", to, message);
        Ok(())
    };
    let transport = network.transport_that("a", identity.node_id(), send);
    let a = quick("a").identity(identity).transport(transport).join("b").start().await.unwrap();
    let b = network.node("b").await;
    let identity = Identity::generate();
    let transport = network.transport("c", identity.node_id());
    let c = quick("c").identity(identity).transport(transport).join("b").start().await.unwrap();
    eventually("a knows c", || a.members().iter().any(|member| member.id == c.id())).await;
    for node in [&a, &b, &c] {
        add(node, 1).await;
    }
    // What a and c cannot tell each other they are told by b.
    agree(&[&a, &b, &c], 3).await;
    eventually("a and b are linked", || a.neighbors().contains(&b.id())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_fails_harms_its_own_link_only() {
    with_trouble(|| Err(SendFault::Unreachable { reason: "no route".into() })).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_panics_harms_its_own_link_only() {
    with_trouble(|| panic!("this is part of the test")).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_send_that_blocks_harms_its_own_link_only() {
    with_trouble(|| {
        std::thread::sleep(Duration::from_secs(600));
        Ok(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn junk_and_what_was_recorded_change_nothing_and_are_counted() {
    let network = Network::new(3, 0);
    let recorded = Arc::new(Mutex::new(Vec::new()));
    let identity = Identity::generate();
    let (wire, tape) = (network.clone(), recorded.clone());
    let send = move |to: &str, message: Bytes| {
        tape.lock().unwrap().push(message.clone());
        wire.send("a", to, message);
        Ok(())
    };
    let transport = network.transport_that("a", identity.node_id(), send);
    let counters = transport.counters();
    let a = quick("a").identity(identity).transport(transport).join("b").start().await.unwrap();
    let (b, c) = (network.node("b").await, network.node("c").await);
    add(&a, 1).await;
    agree(&[&a, &b, &c], 1).await;
    let handles: Vec<DatagramHandle> = network.nodes.lock().unwrap().values().cloned().collect();
    let tape = recorded.lock().unwrap().clone();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for message in tape.iter().cycle().take(2_000) {
        let mut bytes = message.to_vec();
        let at = usize::try_from(rng.next_u64()).unwrap_or_default() % bytes.len();
        bytes[at] = rng.next_u64().to_le_bytes()[0];
        for handle in &handles {
            // From a stranger, changed, and cut short.
            let _ = handle.handle("mallory", message.clone());
            let _ = handle.handle("mallory", Bytes::from(bytes.clone()));
            let _ = handle.handle("a", Bytes::from(bytes[..at].to_vec()));
        }
    }
    assert_eq!(handles[0].handle("a", Bytes::new()), Err(HandleFault::Malformed));
    assert_eq!(handles[0].handle(&"a".repeat(256), tape[0].clone()), Err(HandleFault::Malformed));
    assert!(
        counters.malformed.load(Ordering::Relaxed) > 1_000 && counters.stray.load(Ordering::Relaxed) > 1_000
    );
    for node in [&a, &b, &c] {
        add(node, 1).await;
    }
    agree(&[&a, &b, &c], 4).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_does_not_belong_to_its_address_is_not_linked() {
    let network = Network::new(4, 0);
    let (known, liar) = (Identity::generate(), Identity::generate());
    let known_id = known.node_id();
    let identity = Identity::generate();
    let transport = network
        .transport("a", identity.node_id())
        .admit(move |address, id| address == "b" && *id == known_id);
    let counters = transport.counters();
    let a = quick("a").identity(identity).transport(transport).start().await.unwrap();
    let start = |name: &'static str, identity: Identity| {
        let transport = network.transport(name, identity.node_id());
        quick(name).identity(identity).transport(transport).join("a").start()
    };
    let (b, c) = (start("b", known).await.unwrap(), start("c", liar).await.unwrap());
    eventually("the one is linked", || a.neighbors() == [b.id()]).await;
    eventually("the other is refused", || counters.refused.load(Ordering::Relaxed) > 0).await;
    assert!(!a.neighbors().contains(&c.id()));
}

/// A transport from outside the crate: links are pairs of halves whose frames a task moves.
struct Pipes {
    address: String,
    id: PeerId,
    switch: Arc<Switch>,
    accepted: AsyncMutex<mpsc::Receiver<Link>>,
}

#[derive(Default)]
struct Switch(Mutex<BTreeMap<String, (PeerId, mpsc::Sender<Link>)>>);

impl Pipes {
    fn new(switch: &Arc<Switch>, address: &str, id: PeerId) -> Self {
        let (backlog, accepted) = mpsc::channel(16);
        switch.0.lock().unwrap().insert(address.into(), (id, backlog));
        Self { address: address.into(), id, switch: switch.clone(), accepted: AsyncMutex::new(accepted) }
    }

    fn connect(&self, address: &str) -> io::Result<Link> {
        let there = self.switch.0.lock().unwrap().get(address).cloned();
        let (id, backlog) = there.ok_or(io::ErrorKind::ConnectionRefused)?;
        let limits = LinkLimits::default();
        let pair = |id, address: &str| Link::pair(id, address, &limits).map_err(io::Error::other);
        let ((near, near_wire), (far, far_wire)) = (pair(id, address)?, pair(self.id, &self.address)?);
        backlog.try_send(far).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        tokio::spawn(async move {
            tokio::select! {
                () = pump(&near_wire, &far_wire) => {}
                () = pump(&far_wire, &near_wire) => {}
                () = near_wire.ended() => {}
                () = far_wire.ended() => {}
            }
        });
        Ok(near)
    }
}

async fn pump(from: &ByoLink, to: &ByoLink) {
    while let Some(frame) = from.next_to_send().await {
        if to.deliver(frame).await.is_err() {
            return;
        }
    }
}

impl Transport for Pipes {
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Link, TransportError>> {
        let failed = |source| TransportError::Connect { address: address.into(), source };
        Box::pin(async move { self.connect(address).map_err(failed) })
    }

    fn accept(&self) -> BoxFuture<'_, Result<Link, TransportError>> {
        Box::pin(async move { self.accepted.lock().await.recv().await.ok_or(TransportError::Closed) })
    }

    fn local_address(&self) -> String {
        self.address.clone()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transport_that_is_implemented_elsewhere_carries_a_cluster() {
    let switch = Arc::default();
    let start = |name: &'static str| {
        let identity = Identity::generate();
        let transport = Pipes::new(&switch, name, identity.node_id());
        quick(name).identity(identity).transport(transport).join("a").start()
    };
    let (a, b, c) = (start("a").await.unwrap(), start("b").await.unwrap(), start("c").await.unwrap());
    for node in [&a, &b, &c] {
        add(node, 2).await;
    }
    agree(&[&a, &b, &c], 6).await;
    eventually("each is linked to each", || [&a, &b, &c].iter().all(|node| node.neighbors().len() == 2))
        .await;
}
