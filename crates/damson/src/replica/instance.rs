//! Instances: named, started, asked, stopped.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use damson_core::casts::Tag;
use damson_core::crdt::Key;
use damson_core::replica::WriteError;
use damson_core::scope::ScopeName;
use tokio::sync::watch;

use super::error::InstanceError;
use super::snapshots::Snapshots;
use super::telling::{Heard, Telling, Tellings};
use super::{Entry, Replica};
use crate::casts::{self, CastError, InboxLimits, Listening};
use crate::node::Node;
use crate::scope::Scope;
use crate::supervise::{Patience, Worker};
use crate::watch::{Followed, Following};

/// Says of an entry with a value whether the implementation is to be shown it.
pub(super) type Validator = Arc<dyn Fn(&[u8], &[u8]) -> bool + Send + Sync>;

/// The least of that: nobody is asked all the time.
const SNAPSHOT_INTERVAL_MIN: Duration = Duration::from_millis(10);
/// How often snapshots are asked for, where that is sound.
const SNAPSHOT_INTERVAL: Duration = Duration::from_secs(30);

/// How long a caller waits for an implementation that is busy.
const ASK_PATIENCE: Duration = Duration::from_secs(10);

/// An instance that has not started yet.
#[must_use]
pub struct ReplicaBuilder<R> {
    node: Node,
    name: String,
    make: Box<dyn FnMut() -> R + Send>,
    validator: Option<Validator>,
    interval: Duration,
}

/// A running instance. Cheap to clone; it runs until [`Instance::stop`], until the last clone is dropped, or until its node
/// stops.
pub struct Instance<R> {
    inner: Arc<Inner<R>>,
}

struct Inner<R> {
    scope: Scope,
    /// Of payloads that are no entries.
    tag: Tag,
    worker: Arc<Worker<R>>,
    tellings: Arc<Tellings>,
    stop: watch::Sender<bool>,
}

/// What happened in an instance since it was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct InstanceCounters {
    /// Entries that the implementation was told, each time.
    pub told: u64,
    /// Entries that it was not shown because the validator said no.
    pub refused: u64,
    /// Those at which the validator panicked.
    pub refused_by_panic: u64,
    /// Keys that hold no plain value: somebody has written another type there.
    pub foreign: u64,
    /// Times it was told everything, the first included.
    pub started_over: u64,
    /// Payloads that are no entries, as it was given.
    pub customs: u64,
    /// Those that were lost.
    pub customs_lost: u64,
    /// Members that have gone, as it was told.
    pub removed_nodes: u64,
    /// Panics.
    pub panics: u64,
}

impl Node {
    /// An instance of a custom replica: entries under this name, which is that of a scope. `make` makes the implementation, at the
    /// start and again after a panic.
    pub fn replica<R: Replica>(
        &self,
        name: &str,
        make: impl FnMut() -> R + Send + 'static,
    ) -> ReplicaBuilder<R> {
        ReplicaBuilder {
            node: self.clone(),
            name: name.into(),
            make: Box::new(make),
            validator: None,
            interval: SNAPSHOT_INTERVAL,
        }
    }
}

impl<R: Replica> ReplicaBuilder<R> {
    /// Says which values the implementation is to be shown. What is refused is counted, and is merged and passed on all the same:
    /// nodes that have seen the same hold the same.
    pub fn validate(mut self, is_valid: impl Fn(&[u8], &[u8]) -> bool + Send + Sync + 'static) -> Self {
        self.validator = Some(Arc::new(is_valid));
        self
    }

    /// How often a member is asked for its snapshot, if the implementation says that this is sound. Default 30 s, with a quarter of
    /// chance in it.
    pub fn anti_entropy_interval(mut self, interval: Duration) -> Self {
        self.interval = interval.max(SNAPSHOT_INTERVAL_MIN);
        self
    }

    /// Starts it. It is told everything that is there, and from then on what changes.
    ///
    /// # Errors
    /// [`InstanceError::Name`], [`InstanceError::NameTaken`], [`InstanceError::NotHosted`], [`InstanceError::Thread`].
    pub fn start(self) -> Result<Instance<R>, InstanceError> {
        let scope = self.node.scope(&self.name)?;
        let name = scope.name().clone();
        if !scope.driver().look(|node, _| node.is_host(&name)) {
            return Err(InstanceError::NotHosted { name });
        }
        let claim = scope.driver().names().claim(&name).ok_or(InstanceError::NameTaken { name })?;
        let tag = casts::tag('r', "an instance", scope.name().as_str())?;
        let customs = Listening::begin(scope.driver().clone(), tag.clone(), InboxLimits::default());
        let thread = format!("damson-{}", scope.name());
        let worker = Arc::new(Worker::start(&thread, Patience::default(), self.make)?);
        let tellings = Arc::new(Tellings::default());
        let (stop, stopped) = watch::channel(false);
        let heard = Heard {
            following: Following::open(
                scope.driver().clone(),
                scope.name().clone(),
                Followed::Keys(Key::new()),
            ),
            customs,
        };
        let telling =
            Telling::new(scope.clone(), worker.clone(), self.validator, tellings.clone(), heard, claim);
        let snapshots = Snapshots::new(scope.clone(), worker.clone(), self.interval);
        tokio::spawn(snapshots.run(stopped.clone()));
        tokio::spawn(telling.run(stopped));
        Ok(Instance { inner: Arc::new(Inner { scope, tag, worker, tellings, stop }) })
    }
}

impl<R> Clone for Instance<R> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<R: Replica> Instance<R> {
    /// Its name.
    pub fn name(&self) -> &ScopeName {
        self.inner.scope.name()
    }

    /// The scope of its entries, for all that scopes can do: transactions, acknowledgement, tokens.
    pub fn scope(&self) -> &Scope {
        &self.inner.scope
    }

    /// Writes an entry, with a fresh dot: of concurrent writes the latest wins, and removals of what was seen before leave it.
    ///
    /// # Errors
    /// As [`Scope::write`].
    pub async fn add(&self, key: impl Into<Bytes>, value: impl Into<Bytes>) -> Result<(), WriteError> {
        let slot = crate::Slot::key(key);
        let value = value.into();
        self.inner.scope.write(|tx| tx.put_register(&slot, value, None)).await
    }

    /// Removes an entry as it is seen here. False when there was none. What was removed does not come back; what somebody adds
    /// at the same time stays.
    ///
    /// # Errors
    /// As [`Scope::write`].
    pub async fn remove(&self, key: impl Into<Bytes>) -> Result<bool, WriteError> {
        self.inner.scope.remove(key).await
    }

    /// Sends a payload that is no entry to the implementation on every node that runs this instance, this one among them: once to each
    /// that is connected. Nobody keeps it.
    ///
    /// # Errors
    /// [`CastError`]: nothing was sent then. A payload has at most 1 MiB.
    pub async fn broadcast_custom(&self, payload: impl Into<Bytes>) -> Result<(), CastError> {
        self.inner.scope.driver().cast(&self.inner.tag, payload.into()).await.map(|_| ())
    }

    /// An entry as this node has it, whether or not the implementation was told yet.
    pub fn get(&self, key: impl Into<Bytes>) -> Entry {
        let slot = crate::Slot::key(key);
        let value = self.inner.scope.read(|view| view.stamped(&slot));
        Entry { key: slot.key, value }
    }

    /// Has the implementation do something between two callbacks, on its thread, and waits for it: ten seconds at most.
    ///
    /// # Errors
    /// [`InstanceError::Panicked`], [`InstanceError::TimedOut`], [`InstanceError::Ended`].
    pub async fn with<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut R) -> T + Send + 'static,
    ) -> Result<T, InstanceError> {
        if *self.inner.stop.borrow() || *self.inner.scope.driver().stopping().borrow() {
            return Err(InstanceError::Ended);
        }
        let asked = tokio::time::timeout(ASK_PATIENCE, self.inner.worker.run(ask)).await;
        Ok(asked.map_err(|_| InstanceError::TimedOut { waited: ASK_PATIENCE })??)
    }

    /// What happened so far.
    pub fn counters(&self) -> InstanceCounters {
        InstanceCounters { panics: *self.inner.worker.panics().borrow(), ..self.inner.tellings.counters() }
    }

    /// Stops it on this node. The entries stay, here and elsewhere.
    pub fn stop(&self) {
        self.inner.stop.send_replace(true);
    }
}
