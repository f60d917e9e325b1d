//! A running node.

use std::sync::Arc;

use damson_core::crdt::{Digest, Life, NodeId};
use damson_core::node::Event;
use damson_core::replica::MemoryUse;
use damson_core::scope::{ScopeName, ScopeNameError};
use damson_store::DataDir;
use tokio::sync::broadcast;

use crate::backup::{Backup, BackupError};
use crate::builder::NodeBuilder;
use crate::driver::Driver;
use crate::error::StopError;
use crate::scope::Scope;
use crate::status::{Counters, MemberInfo, Readiness, ScopeInfo, Status};
use crate::transport::{TcpTransport, TransportCounters};
use crate::tree::TreeView;

/// A running node. Cheap to clone; it runs until [`Node::stop`], or until the last clone is dropped, which is no clean
/// stop: the next start is a new life.
#[derive(Clone)]
pub struct Node {
    inner: Arc<Inner>,
}

struct Inner {
    driver: Arc<Driver>,
    transport: Option<Arc<TransportCounters>>,
    /// Its transport, where that is Damson's own.
    tcp: Option<Arc<TcpTransport>>,
    continued: bool,
    /// Its transport is the application's own, and so is the form of addresses.
    any_address: bool,
    /// Held so that no other process takes the directory.
    _dir: Option<DataDir>,
    /// There is a store that outlives the node.
    durable: bool,
}

impl Node {
    /// Begins to describe a node. The name is a label for people.
    pub fn builder(name: impl Into<String>) -> NodeBuilder {
        NodeBuilder::new(name)
    }

    pub(crate) fn new(
        driver: Arc<Driver>,
        dir: Option<DataDir>,
        durable: bool,
        transport: Option<Arc<TransportCounters>>,
        tcp: Option<Arc<TcpTransport>>,
        continued: bool,
        any_address: bool,
    ) -> Self {
        Self { inner: Arc::new(Inner { driver, transport, tcp, continued, any_address, _dir: dir, durable }) }
    }

    pub(crate) fn driver(&self) -> &Arc<Driver> {
        &self.inner.driver
    }

    pub(crate) fn tcp(&self) -> Option<&Arc<TcpTransport>> {
        self.inner.tcp.as_ref()
    }

    pub(crate) fn is_any_address(&self) -> bool {
        self.inner.any_address
    }

    /// A keyspace.
    ///
    /// # Errors
    /// When the text is no scope name, or one of the system's.
    pub fn scope(&self, name: &str) -> Result<Scope, ScopeNameError> {
        Ok(Scope::new(self.inner.driver.clone(), ScopeName::of_users(name)?))
    }

    /// The scopes of which something is known, the system's included.
    pub fn scopes(&self) -> Vec<ScopeInfo> {
        self.inner.driver.look(|node, _| node.replicas().map(ScopeInfo::of).collect())
    }

    /// The node id.
    pub fn id(&self) -> NodeId {
        self.inner.driver.look(|node, _| node.id())
    }

    /// The life of its state.
    pub fn life(&self) -> Life {
        self.inner.driver.look(|node, _| node.life())
    }

    /// Did the life go on after a clean stop?
    pub fn continued(&self) -> bool {
        self.inner.continued
    }

    /// Where other nodes reach it.
    pub fn address(&self) -> String {
        self.inner.driver.look(|node, _| node.config().address.clone())
    }

    /// One digest over all non-empty user scopes: equal on nodes that agree. Computed when asked.
    pub fn digest(&self) -> Digest {
        self.inner.driver.look(|node, _| node.digest())
    }

    /// How it is.
    pub fn status(&self) -> Status {
        self.inner.driver.look(|node, now| Status::of(node, now, self.inner.driver.disk().failure()))
    }

    /// The members, itself included, with what is known of each.
    pub fn members(&self) -> Vec<MemberInfo> {
        self.inner
            .driver
            .look(|node, _| node.roster().iter().map(|member| MemberInfo::of(member, node)).collect())
    }

    /// The members to which it keeps a link as its neighbours, in the order of their ids: in a small cluster all others.
    pub fn neighbors(&self) -> Vec<NodeId> {
        self.inner.driver.look(|node, _| node.active_view())
    }

    /// Its place in the tree over which the writes of a member, the root, travel.
    pub fn tree(&self, root: NodeId) -> TreeView {
        self.inner.driver.look(|node, _| TreeView::of(node, root))
    }

    /// What all scopes hold in memory, and the node's limit.
    pub fn memory(&self) -> MemoryUse {
        self.inner.driver.look(|node, _| node.memory())
    }

    /// May it serve, and if not, why. That memory is full is no reason: see [`Node::memory`].
    pub fn readiness(&self) -> Readiness {
        let failure = self.inner.driver.disk().failure();
        self.inner.driver.look(|node, _| Readiness::of(node, failure))
    }

    /// Waits until it may serve.
    pub async fn ready(&self) {
        let mut events = self.events();
        while self.readiness() != Readiness::Ready {
            // A missed event is no harm: readiness is asked again.
            let heard = tokio::time::timeout(std::time::Duration::from_millis(50), events.recv()).await;
            if let Ok(Err(broadcast::error::RecvError::Closed)) = heard {
                std::future::pending().await
            }
        }
    }

    /// Waits until the other members have forgotten this one, which may never be. Then it takes no part any more: stop it and
    /// start it again on the same directory. Its database is set aside (`forgotten-<n>`), and it begins empty.
    pub async fn forgotten(&self) {
        let mut events = self.events();
        while self.readiness() != Readiness::Forgotten {
            // A missed event is no harm: readiness is asked again.
            if let Err(broadcast::error::RecvError::Closed) = events.recv().await {
                std::future::pending().await
            }
        }
    }

    /// What people and applications want to know, as it happens. A slow listener misses some. Ends when the node stops.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.inner.driver.events()
    }

    /// Tells the other members where this node's HTTP surface listens, once that is known.
    pub fn set_http_address(&self, address: impl Into<String>) {
        self.inner.driver.change(|node, now, fx| node.set_http(address.into(), now, fx));
    }

    /// Begins a round of anti-entropy with a member now. False when there is no link to it.
    pub fn sync_with(&self, member: NodeId) -> bool {
        self.inner.driver.change(|node, _, fx| node.sync_with(member, fx))
    }

    /// Removes a member that is dead or has left, for good: what only it has is given up. Should it come back, it is refused until
    /// it begins empty ([`Node::forgotten`]). False when it is not known or still present.
    pub fn forget(&self, member: NodeId) -> bool {
        self.inner.driver.change(|node, now, fx| node.forget_member(member, now, fx))
    }

    /// What happened since the start.
    pub fn counters(&self) -> Counters {
        let transport = self.inner.transport.as_deref();
        self.inner.driver.look(|node, _| Counters::of(node, transport, &self.inner.driver))
    }

    /// Leaves the cluster, makes everything durable and leaves the mark of a clean stop. Writes are refused from now on.
    ///
    /// # Errors
    /// When the disk has failed. The next start is a new life then.
    pub async fn stop(&self) -> Result<(), StopError> {
        let stopped = self.inner.driver.stop().await;
        // Goodbyes are small and on their way; links linger for them.
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        stopped.map_err(|cause| StopError::Storage { cause })
    }

    /// Takes a snapshot of all that is on disk, to copy it elsewhere while the node goes on. Everything acknowledged so far is
    /// in it, but for scopes under [`Sync::Never`](crate::Sync::Never). Writes that no peer has confirmed since a clean
    /// restart become a new life's first.
    ///
    /// # Errors
    /// [`BackupError::NothingStored`] without a data directory or a store, [`BackupError::NoSnapshot`] when the node has stopped or its
    /// disk has failed.
    pub async fn begin_backup(&self) -> Result<Backup, BackupError> {
        if !self.inner.durable {
            return Err(BackupError::NothingStored);
        }
        self.inner.driver.snapshot().await
    }

    /// Ends at once, without goodbye and without the mark of a clean stop, as a crash would.
    pub fn abandon(&self) {
        self.inner.driver.abandon();
    }

    /// Where it listens, as its transport knows it.
    pub fn local_address(&self) -> String {
        self.inner.driver.transport().local_address()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.driver.abandon();
    }
}
