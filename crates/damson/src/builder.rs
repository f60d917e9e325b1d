//! Starting a node.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use damson_core::broadcast::BroadcastConfig;
use damson_core::crdt::NodeId;
use damson_core::membership::OverlayConfig;
use damson_core::node::{Config, MemoryConfig, Stored};
use damson_core::replica::ReplicaConfig;
use damson_core::scope::ScopeName;
use damson_core::sketch;
use damson_store::Store;

use crate::clock::OsClock;
use crate::discovery::{Discovery, DiscoveryConfig, check_address};
use crate::driver::{Disk, Driver, Room, Sync};
use crate::error::StartError;
use crate::given::GivenPeers;
use crate::gossip::GossipConfig;
use crate::identity::{self, Identity};
use crate::node::Node;
use crate::opening::{self, Kept, OnDamage, Opened, Recovery};
use crate::sizes;
use crate::transport::{
    Admission, Broadcaster, BroadcasterTransport, ClusterSecret, TcpConfig, TcpTransport, Transport,
    TransportCounters,
};
use crate::trust::Trust;

/// How long a write waits for room, unless it is said otherwise.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// How often written rows are flushed under [`Sync::Interval`], unless it is said otherwise.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);
/// Longest name and realm.
const LABEL_BYTES_MAX: usize = 255;

/// What a node is to be. Made by [`Node::builder`].
pub struct NodeBuilder {
    pub(crate) config: Config,
    pub(crate) gossip: GossipConfig,
    pub(crate) given: Option<GivenPeers>,
    listen: String,
    data_dir: Option<PathBuf>,
    store: Option<Box<dyn Store>>,
    identity: Option<Identity>,
    transport: Option<Arc<dyn Transport>>,
    broadcaster: Option<Arc<dyn Broadcaster>>,
    counters: Option<Arc<TransportCounters>>,
    admission: Admission,
    trust: Option<PathBuf>,
    discovery: Discovery,
    sync: Sync,
    sync_of: BTreeMap<ScopeName, Sync>,
    sync_interval: Duration,
    write_patience: Duration,
    accept_loss: bool,
    on_recovery: Box<dyn FnMut(Recovery) + Send>,
}

impl NodeBuilder {
    pub(crate) fn new(name: impl Into<String>) -> Self {
        Self {
            config: Config::new(name, "default"),
            gossip: GossipConfig::default(),
            given: None,
            listen: "127.0.0.1:0".into(),
            data_dir: None,
            store: None,
            identity: None,
            transport: None,
            broadcaster: None,
            counters: None,
            admission: Admission::default(),
            trust: None,
            discovery: Discovery::default(),
            sync: Sync::default(),
            sync_of: BTreeMap::new(),
            sync_interval: SYNC_INTERVAL,
            write_patience: WRITE_PATIENCE,
            accept_loss: false,
            on_recovery: Box::new(|_| ()),
        }
    }

    /// The cluster. Nodes of different realms never mix. Default `default`.
    #[must_use]
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.config.realm = realm.into();
        self
    }

    /// Where to listen for other nodes, `host:port`; port 0 takes a free one. Default `127.0.0.1:0`.
    #[must_use]
    pub fn listen(mut self, address: impl Into<String>) -> Self {
        self.listen = address.into();
        self
    }

    /// Where other nodes dial this one, when that is not where it listens.
    #[must_use]
    pub fn advertise(mut self, address: impl Into<String>) -> Self {
        self.config.address = address.into();
        self
    }

    /// Where the node stands: a data centre, a rack.
    #[must_use]
    pub fn zone(mut self, zone: impl Into<String>) -> Self {
        self.config.zone = Some(zone.into());
        self
    }

    /// An address of a member to join through. Can be called several times; all are tried, for ever.
    #[must_use]
    pub fn join(mut self, address: impl Into<String>) -> Self {
        self.config.contacts.push(address.into());
        self
    }

    /// A name whose addresses are members to join through, `host:port`: all of them, also those of a headless Kubernetes
    /// service. It is resolved when the node starts and again while it runs; a name that cannot be resolved is asked
    /// again, and what it named before stays. Can be called several times.
    #[must_use]
    pub fn join_dns(mut self, name: impl Into<String>) -> Self {
        self.discovery.names.push(name.into());
        self
    }

    /// A file with addresses of members to join through: one a line, `#` begins a comment. It is read again when it
    /// changes. A file that is not there yet is waited for; what cannot be read as an address is skipped and logged. Can
    /// be called several times.
    #[must_use]
    pub fn join_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.discovery.files.push(path.into());
        self
    }

    /// Timing and limits of [`NodeBuilder::join_dns`] and [`NodeBuilder::join_file`].
    #[must_use]
    pub fn discovery(mut self, config: DiscoveryConfig) -> Self {
        self.discovery.config = config;
        self
    }

    /// Keeps state and identity in this directory. Without one everything is in memory, and the next start is another
    /// node.
    #[must_use]
    pub fn data_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(path.into());
        self
    }

    /// Keeps state in a store of one's own ([`store`](crate::store) says what it must promise) instead of a directory. The
    /// identity is not kept there: give that too ([`NodeBuilder::identity`]), or the next start is another node. Rows that
    /// are damaged, or of a member that was forgotten, are refused: there is nothing that the node could set aside.
    #[must_use]
    pub fn store(mut self, store: impl Store + 'static) -> Self {
        self.store = Some(Box::new(store));
        self
    }

    /// Should what is stored be damaged, and no contact be named from which it can be taken, the node goes on with what can
    /// still be read, as a new life; the damaged files are set aside. Without this it refuses to start, with
    /// [`StartError::Damaged`]. Only for the last node of a cluster: where others have the same, counters would count twice, and
    /// what was deleted meanwhile would be back.
    #[must_use]
    pub fn accept_loss(mut self, accept: bool) -> Self {
        self.accept_loss = accept;
        self
    }

    /// Is told now and then, while [`NodeBuilder::start`] reads what is stored, how far it is: a million keys take a second or two.
    #[must_use]
    pub fn on_recovery(mut self, tell: impl FnMut(Recovery) + Send + 'static) -> Self {
        self.on_recovery = Box::new(tell);
        self
    }

    /// The node's key pair. Default: the one in the data directory, or a new one.
    #[must_use]
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// A secret that proves membership. Can be called several times to rotate: all are valid, the first is used to prove.
    #[must_use]
    pub fn cluster_secret(mut self, secret: impl Into<ClusterSecret>) -> Self {
        self.admission.secrets.push(secret.into());
        self
    }

    /// Only these nodes may link, in both directions; [`Node::allow_nodes`] changes that while the node runs. With cluster secrets
    /// both must hold. For the transport over TCP; others decide for themselves whom they link.
    #[must_use]
    pub fn allow_nodes(mut self, ids: impl IntoIterator<Item = NodeId>) -> Self {
        self.admission.allowed = Some(ids.into_iter().map(|id| id.0).collect());
        self
    }

    /// For laboratories: trusts whoever answers first at an address that is dialled, and from then on nobody else there, as SSH does
    /// with `known_hosts`. The file keeps who that was (`ADDRESS NODE-ID`, a line each, at most 4,096; made when it is not there, for
    /// this node alone); a line that is removed is forgotten at once. A peer that calls is refused when the address that it advertises
    /// is another node's there, or when it advertises none and the file does not have it. Not protected is the first contact: anybody
    /// can join at an address that is not in the file yet. With cluster secrets, or a list of nodes, those must hold too.
    #[must_use]
    pub fn trust_on_first_use(mut self, path: impl Into<PathBuf>) -> Self {
        self.trust = Some(path.into());
        self
    }

    /// Another way to reach nodes than TCP with TLS. Needs [`NodeBuilder::identity`] when the transport authenticates.
    #[must_use]
    pub fn transport(mut self, transport: impl Transport) -> Self {
        self.transport = Some(Arc::new(transport));
        self
    }

    /// Reaches other nodes through something that carries each message to all, such as a publish/subscribe bus. Those on one
    /// broadcaster find each other without contacts. Its address is the one that was given with [`NodeBuilder::advertise`], or
    /// else its id; it must be unlike all others' there. Nobody is authenticated, as with a
    /// [`DatagramTransport`](crate::transport::DatagramTransport).
    #[must_use]
    pub fn broadcaster(mut self, broadcaster: impl Broadcaster) -> Self {
        self.broadcaster = Some(Arc::new(broadcaster));
        self
    }

    /// What a transport of one's own has counted, for [`Node::counters`] and the metrics.
    #[must_use]
    pub fn transport_counters(mut self, counters: Arc<TransportCounters>) -> Self {
        self.counters = Some(counters);
        self
    }

    /// What an acknowledged write has behind it. Default [`Sync::Interval`].
    #[must_use]
    pub fn sync(mut self, sync: Sync) -> Self {
        self.sync = sync;
        self
    }

    /// The same for one scope.
    #[must_use]
    pub fn sync_scope(mut self, scope: ScopeName, sync: Sync) -> Self {
        self.sync_of.insert(scope, sync);
        self
    }

    /// How often the disk is flushed under [`Sync::Interval`]: what a power failure can take at most. Default: one second.
    #[must_use]
    pub fn sync_interval(mut self, interval: Duration) -> Self {
        self.sync_interval = interval;
        self
    }

    /// The user scopes that this node hosts. Default: all.
    #[must_use]
    pub fn host_only(mut self, scopes: impl IntoIterator<Item = ScopeName>) -> Self {
        self.config.hosted = Some(scopes.into_iter().collect());
        self
    }

    /// Serves alone after this time without a contact. Default 5 s.
    #[must_use]
    pub fn join_timeout(mut self, timeout: Duration) -> Self {
        self.config.join_timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// How far ahead a time may lie to be absorbed. Default 10 s.
    #[must_use]
    pub fn max_clock_drift(mut self, drift: Duration) -> Self {
        self.config.clock_drift_ms_max = u64::try_from(drift.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Refuses local writes that would have the state take more memory, with
    /// [`WriteError::OutOfMemory`](crate::WriteError::OutOfMemory). Default: no limits.
    #[must_use]
    pub fn memory(mut self, config: MemoryConfig) -> Self {
        self.config.memory = config;
        self
    }

    /// Limits and buffers of replicas.
    #[must_use]
    pub fn replica(mut self, config: ReplicaConfig) -> Self {
        self.config.replica = config;
        self
    }

    /// Timing of anti-entropy.
    #[must_use]
    pub fn anti_entropy(mut self, config: damson_core::sync::SyncConfig) -> Self {
        self.config.sync = config;
        self
    }

    /// Bounds of waits for other members.
    #[must_use]
    pub fn acknowledgement(mut self, config: damson_core::node::AckConfig) -> Self {
        self.config.ack = config;
        self
    }

    /// Timing and bounds of the broadcast: when announcements leave, and what is kept for those who missed something.
    #[must_use]
    pub fn broadcast(mut self, config: BroadcastConfig) -> Self {
        self.config.broadcast = config;
        self
    }

    /// Timing of failure detection.
    #[must_use]
    pub fn liveness(mut self, config: damson_core::membership::LivenessConfig) -> Self {
        self.config.liveness = config;
        self
    }

    /// Which members are linked, and how links are repaired. Clusters of up to [`OverlayConfig::active`] members and one more are full
    /// meshes.
    #[must_use]
    pub fn overlay(mut self, config: OverlayConfig) -> Self {
        self.config.overlay = config;
        self
    }

    /// Most scopes, the system's included. Default 256: each costs a digest in every unequal round of anti-entropy.
    #[must_use]
    pub fn scopes_max(mut self, scopes: usize) -> Self {
        self.config.scopes_max = scopes;
        self
    }

    /// Timing of dials.
    #[must_use]
    pub fn dialing(mut self, config: damson_core::node::DialConfig) -> Self {
        self.config.dial = config;
        self
    }

    /// How long a write waits while links or the disk are behind what is written, before it fails with
    /// [`WriteError::Busy`](crate::WriteError::Busy). Zero: it fails at once. Default: ten seconds. One slow peer holds writers up
    /// for five at most.
    #[must_use]
    pub fn write_patience(mut self, patience: Duration) -> Self {
        self.write_patience = patience;
        self
    }

    /// Starts the node.
    ///
    /// # Errors
    /// [`StartError`]; nothing runs then.
    pub async fn start(self) -> Result<Node, StartError> {
        self.check()?;
        let clock = OsClock::new();
        let Self { mut config, listen, data_dir, store, identity, transport, counters, admission, .. } = self;
        let Self {
            mut discovery,
            sync,
            sync_of,
            sync_interval,
            write_patience,
            accept_loss,
            mut on_recovery,
            broadcaster,
            given,
            trust,
            ..
        } = self;
        config.discovers = !discovery.is_empty() || broadcaster.is_some();
        let sketch_key = sketch_key(&config.realm, admission.secrets.first());
        discovery.any_form = transport.is_some() || broadcaster.is_some();
        let own = if config.address.is_empty() { &listen } else { &config.address };
        let knows_others = given.as_ref().is_some_and(|given| given.names_others(own));
        let contacts = !config.contacts.is_empty() || config.discovers || knows_others;
        let on_damage = OnDamage::of(contacts, accept_loss);
        let mut opened = opening::open(data_dir, store, on_damage).await?;
        let identity = match (identity, &opened.dir) {
            (Some(identity), _) => identity,
            (None, Some(dir)) => Identity::load_or_create(identity::key_of(dir.path()))?,
            (None, None) => Identity::generate(),
        };
        let trust = trust.map(|path| Trust::open(path, NodeId(identity.node_id()))).transpose()?;
        let mut over_tcp = None;
        let (transport, counters, lookups) = match (transport, broadcaster) {
            (Some(transport), _) => (transport, counters, Arc::default()),
            (None, Some(broadcaster)) => {
                let address = Some(config.address.clone()).filter(|address| !address.is_empty());
                let address = address.unwrap_or_else(|| NodeId(identity.node_id()).to_string());
                let (bus, heard) = BroadcasterTransport::start(broadcaster, address, identity.node_id())?;
                discovery.heard = Some(heard);
                let counters = bus.counters();
                (Arc::new(bus) as Arc<dyn Transport>, Some(counters), Arc::default())
            }
            (None, None) => {
                let tcp = TcpConfig { listen, admission, ..TcpConfig::default() };
                let tcp = Arc::new(TcpTransport::bind(tcp, &identity).await?);
                let (counters, lookups) = (tcp.counters(), tcp.lookups());
                over_tcp = Some(tcp.clone());
                (tcp as Arc<dyn Transport>, Some(counters), lookups)
            }
        };
        if config.address.is_empty() {
            config.address = transport.local_address();
        }
        if let Some(given) = given {
            given.enter(&mut config, discovery.any_form)?;
        }
        config.replica.sketch_key = sketch_key;
        let durable = opened.kept != Kept::InMemory;
        config.stored = stored(durable, sync, &sync_of);
        let id = NodeId(identity.node_id());
        let started = opening::boot(config, id, &mut opened, on_damage, &clock, &mut *on_recovery)?;
        let Opened { store, dir, .. } = opened;
        let sync_of = move |scope: &ScopeName| match durable {
            true => sync_of.get(scope).copied().unwrap_or(sync),
            false => Sync::Never,
        };
        let disk = Disk::start(store, sync_interval, sync_of);
        let disk = disk.expect("the operating system gives a thread at the start");
        let (continued, room) = (started.continued, Room::new(write_patience));
        let driver = Driver::start(started.node, started.effects, clock, disk, transport, room, trust);
        let node = Node::new(driver, dir, durable, counters, over_tcp, continued, discovery.any_form);
        discovery.start(node.driver(), &lookups);
        Ok(node)
    }

    fn check(&self) -> Result<(), StartError> {
        for (what, label) in [("the name", &self.config.name), ("the realm", &self.config.realm)] {
            if label.is_empty() || label.len() > LABEL_BYTES_MAX {
                return Err(StartError::Label { what, len: label.len(), max: LABEL_BYTES_MAX });
            }
        }
        self.gossip.check()?;
        for name in &self.discovery.names {
            let wrong = |reason| StartError::ContactName { name: name.clone(), reason };
            check_address(name, false).map_err(wrong)?;
        }
        self.check_alternatives()?;
        sizes::check(&self.config)?;
        let open = self.admission.secrets.is_empty() && self.admission.allowed.is_none();
        let ours = self.transport.is_none() && self.broadcaster.is_none();
        if ours && open && !is_loopback(&self.listen) {
            if self.trust.is_none() {
                return Err(StartError::Unsecured { address: self.listen.clone() });
            }
            tracing::warn!(
                address = self.listen,
                "trust on first use alone: the first contact is not protected, and anybody can join at an address that is not                  in the file yet; that is for laboratories, elsewhere configure a cluster secret"
            );
        }
        Ok(())
    }

    fn check_alternatives(&self) -> Result<(), StartError> {
        if self.store.is_some() && self.data_dir.is_some() {
            return Err(StartError::Both { first: "store", second: "data_dir" });
        }
        if self.transport.is_some() && self.broadcaster.is_some() {
            return Err(StartError::Both { first: "transport", second: "broadcaster" });
        }
        Ok(())
    }
}

/// All nodes of a cluster have it, and no client does: without a secret clients can at most guess the realm.
fn sketch_key(realm: &str, secret: Option<&ClusterSecret>) -> sketch::Key {
    let secret = secret.cloned().unwrap_or(ClusterSecret::from([0; 32]));
    let bytes = secret.derive("damson 2026-11-21 sketches of live dots", realm);
    let half = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
    sketch::Key(half(0), half(8))
}

/// What is never written needs no rows.
fn stored(durable: bool, sync: Sync, sync_of: &BTreeMap<ScopeName, Sync>) -> Stored {
    let others = durable && sync != Sync::Never;
    let is_other = |(_, sync): &(&ScopeName, &Sync)| (durable && **sync != Sync::Never) != others;
    Stored { others, except: sync_of.iter().filter(is_other).map(|(scope, _)| scope.clone()).collect() }
}

/// Is this address reachable from this machine only?
fn is_loopback(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_are_told_from_others() {
        for own in ["127.0.0.1:1", "localhost:1", "[::1]:9", "127.8.8.8:0"] {
            assert!(is_loopback(own), "{own}");
        }
        for open in ["0.0.0.0:1", "[::]:1", "10.0.0.1:7", "example.org:1", "localhost.evil.org:1"] {
            assert!(!is_loopback(open), "{open}");
        }
    }

    #[test]
    fn trust_on_first_use_is_enough_to_listen_for_other_machines() {
        NodeBuilder::new("a").listen("0.0.0.0:0").trust_on_first_use("trusted").check().unwrap();
    }

    #[tokio::test]
    async fn a_node_without_credentials_refuses_to_listen_for_other_machines() {
        let error = NodeBuilder::new("a").listen("0.0.0.0:0").start().await.err().unwrap();
        assert!(matches!(error, StartError::Unsecured { .. }), "{error}");
    }
}
