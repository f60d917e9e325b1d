//! The start of a publisher, and the task that follows the others.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Weak};
use std::time::Duration;

use damson_core::crdt::{Key, NodeId};
use rand_core::Rng;
use tokio::sync::{Mutex, broadcast, watch};

use super::Publisher;
use super::error::PublisherError;
use super::layout::owner_of;
use super::published::{Inner, Published};
use super::shelf::Shelf;
use super::showing::Showing;
use super::state::{Own, Seen, State};
use super::subscriptions::Subscriptions;
use super::writer::Writer;
use crate::clock::entropy;
use crate::names::Claim;
use crate::node::Node;
use crate::presence::Presence;
use crate::replica::InstanceError;
use crate::scope::Scope;
use crate::supervise::{Patience, Worker, told};
use crate::watch::{Followed, Following, Noted};

/// Changed records that are looked at at once.
const RECORDS_MAX: usize = 1_024;
/// Plain messages that a slow listener may lag behind.
const PLAIN_MAX: usize = 1_024;
/// How long a start waits for the others' data, in a version that is spoken here.
const AGREEMENT_PATIENCE: Duration = Duration::from_secs(5);
const AGREEMENT_STEP: Duration = Duration::from_millis(20);

/// A publisher that has not started yet.
#[must_use]
pub struct PublisherBuilder<P> {
    node: Node,
    scope: String,
    make: Box<dyn FnMut() -> P + Send>,
    alone: bool,
}

impl Node {
    /// A publisher in a scope. `make` makes the implementation, at the start and again after a panic.
    pub fn publisher<P: Publisher>(
        &self,
        scope: &str,
        make: impl FnMut() -> P + Send + 'static,
    ) -> PublisherBuilder<P> {
        PublisherBuilder { node: self.clone(), scope: scope.into(), make: Box::new(make), alone: false }
    }
}

impl<P: Publisher> PublisherBuilder<P> {
    /// Stands alone: it sees this node's data only, and nobody else sees them. Nothing is stored.
    pub fn standalone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// Starts it, once the node is ready, so that it is known who takes part. When it returns the view shows all who do, but for those
    /// whom nobody here can translate.
    ///
    /// # Errors
    /// [`PublisherError::Instance`], [`PublisherError::Write`], [`PublisherError::TooMany`].
    pub async fn start(self) -> Result<Published<P>, PublisherError> {
        let scope = self.node.scope(&self.scope).map_err(InstanceError::from)?;
        let (driver, name) = (scope.driver().clone(), scope.name().clone());
        if !driver.look(|node, _| node.is_host(&name)) {
            return Err(InstanceError::NotHosted { name }.into());
        }
        let taken = || InstanceError::NameTaken { name: name.clone() };
        let claim = driver.names().claim(&name).ok_or_else(taken)?;
        let (seen, subscriptions) = (Seen::default(), Arc::new(Subscriptions::default()));
        let worker = {
            let (name, seen, subscriptions) = (name.clone(), seen.clone(), subscriptions.clone());
            let (mut make, me, own) = (self.make, self.node.id(), Own::default());
            let make = move || State::new(make(), &name, &seen, subscriptions.clone(), (me, own.clone()));
            let thread = format!("damson-{}", self.scope);
            Worker::start(&thread, Patience::default(), make).map_err(InstanceError::from)?
        };
        let version = worker.run(|state: &mut State<P>| state.publisher().version()).await?;
        if !self.alone {
            self.node.ready().await;
        }
        let shelf = if self.alone { Shelf::Alone(Default::default()) } else { Shelf::Shared(scope.clone()) };
        let me = self.node.id();
        let epoch = entropy().next_u64();
        let inner = Arc::new(Inner {
            me,
            scope,
            version,
            shelf,
            worker,
            writer: Mutex::new(Writer::new(me, epoch, version)),
            showing: Mutex::new(Showing::default()),
            seen,
            subscriptions,
            plain: broadcast::Sender::new(PLAIN_MAX),
            stop: watch::Sender::new(false),
            updates: AtomicU64::new(0),
            rebased: AtomicU64::new(0),
        });
        inner.begin().await?;
        let (follower, stop) = (Follower::of(&inner, claim), inner.stop.subscribe());
        tokio::spawn(follower.run(Arc::downgrade(&inner), stop));
        Ok(Published { inner })
    }
}

impl<P: Publisher> Inner<P> {
    /// Writes what this node owns at first, says that it takes part, and shows the others.
    async fn begin(&self) -> Result<(), PublisherError> {
        self.worker.run(State::show_own).await?;
        let lowest = self.peers().values().copied().min().unwrap_or(self.version);
        {
            let mut writer = self.writer.lock().await;
            writer.wanted = lowest;
            self.rebase(&mut writer, lowest).await?;
        }
        if self.is_alone() {
            return Ok(());
        }
        let (driver, name) = (self.scope.driver(), self.scope.name());
        if !driver.change(|node, now, fx| node.set_running(name, Some(self.version), now, fx)) {
            return Err(PublisherError::TooMany);
        }
        let agreed = async {
            loop {
                self.show_all().await;
                if self.shows_all_peers().await {
                    return;
                }
                tokio::time::sleep(AGREEMENT_STEP).await;
            }
        };
        // Who cannot be read by then is told of in `peers`, and seen as soon as it can be.
        let _ = tokio::time::timeout(AGREEMENT_PATIENCE, agreed).await;
        Ok(())
    }
}

/// What a task needs that does not keep the publisher alive.
struct Follower {
    scope: Scope,
    me: NodeId,
    alone: bool,
    panics: watch::Receiver<u64>,
    /// The name is free again when this has ended.
    _claim: Claim,
}

impl Follower {
    fn of<P: Publisher>(inner: &Inner<P>, claim: Claim) -> Self {
        let (scope, panics) = (inner.scope.clone(), inner.worker.panics());
        Self { scope, me: inner.me, alone: inner.is_alone(), panics, _claim: claim }
    }

    /// Follows records and members, until the publisher ends or nobody has it any more.
    async fn run<P: Publisher>(mut self, inner: Weak<Inner<P>>, mut stop: watch::Receiver<bool>) {
        let driver = self.scope.driver().clone();
        let mut following =
            Following::open(driver.clone(), self.scope.name().clone(), Followed::Keys(Key::new()));
        let mut presence = Presence::new(&driver);
        let mut stopping = driver.stopping();
        let node_stops = loop {
            let noted = tokio::select! {
                () = told(&mut stop) => break false,
                () = told(&mut stopping) => break true,
                Ok(()) = self.panics.changed() => Some(Noted::All),
                noted = following.next(RECORDS_MAX) => noted,
                _ = presence.moved() => Some(Noted::All),
            };
            let (Some(noted), Some(inner)) = (noted, inner.upgrade()) else { break false };
            inner.catch_up(noted).await;
        };
        // Whoever still has it: nothing is shown any more.
        if let Some(inner) = inner.upgrade() {
            inner.worker.end();
        }
        if !node_stops && !self.alone {
            self.withdraw().await;
        }
    }

    /// What this node owned is owned no more.
    async fn withdraw(&self) {
        let name = self.scope.name();
        self.scope.driver().change(|node, now, fx| node.set_running(name, None, now, fx));
        let shelf = Shelf::Shared(self.scope.clone());
        if let Err(error) = shelf.write(Vec::new(), shelf.keys_of(self.me)).await {
            tracing::warn!(scope = %name, %error, "what was published is kept until the publisher runs again");
        }
    }
}

impl<P: Publisher> Inner<P> {
    async fn catch_up(&self, noted: Noted) {
        match noted {
            Noted::All => {
                self.agree_on_version().await;
                self.show_all().await;
            }
            Noted::Names(keys) => {
                let owners: BTreeSet<NodeId> = keys.iter().filter_map(|key| owner_of(key)).collect();
                for owner in owners {
                    self.show(owner).await;
                }
            }
        }
    }
}
