//! A running publisher.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use damson_core::crdt::NodeId;
use tokio::sync::{Mutex, broadcast, watch};

use super::error::PublisherError;
use super::foreign::{Foreign, PlainMessages};
use super::shelf::Shelf;
use super::showing::Showing;
use super::state::{Seen, State};
use super::subscriptions::{Queue, Subscribed, Subscriptions};
use super::writer::Writer;
use super::{Owner, Publisher};
use crate::replica::InstanceError;
use crate::scope::Scope;
use crate::supervise::Worker;

/// A publisher that runs. Cheap to clone; it runs until [`Published::stop`], until the last clone and the last subscription are
/// dropped, or until its node stops.
pub struct Published<P: Publisher> {
    pub(super) inner: Arc<Inner<P>>,
}

/// One that runs for as long as somebody else has it.
pub(crate) struct WeakPublished<P: Publisher>(Weak<Inner<P>>);

impl<P: Publisher> WeakPublished<P> {
    pub fn upgrade(&self) -> Option<Published<P>> {
        self.0.upgrade().map(|inner| Published { inner })
    }
}

/// One who takes part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Which member.
    pub node: NodeId,
    /// The version that it speaks.
    pub version: u16,
    /// Its data are in a version that nobody here can translate, and are not seen.
    pub untranslated: Option<u16>,
}

/// What happened since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PublisherCounters {
    /// Updates that this node has published.
    pub updates: u64,
    /// Times that all this node owns was written anew.
    pub rebased: u64,
    /// Panics of the implementation.
    pub panics: u64,
}

pub(super) struct Inner<P: Publisher> {
    pub me: NodeId,
    pub scope: Scope,
    /// The newest that the implementation speaks.
    pub version: u16,
    pub shelf: Shelf,
    pub worker: Worker<State<P>>,
    pub writer: Mutex<Writer>,
    pub showing: Mutex<Showing>,
    pub seen: Seen<P::GlobalView>,
    pub subscriptions: Arc<Subscriptions<P>>,
    pub plain: broadcast::Sender<Bytes>,
    pub stop: watch::Sender<bool>,
    pub updates: AtomicU64,
    pub rebased: AtomicU64,
}

impl<P: Publisher> Clone for Published<P> {
    fn clone(&self) -> Self {
        Self { inner: self.inner.clone() }
    }
}

impl<P: Publisher> Published<P> {
    /// Publishes an update of what this node owns. When it returns this node's view has it, its subscribers are told, and it is as
    /// durable as the scope asks; the others have it within milliseconds.
    ///
    /// # Errors
    /// [`PublisherError::Inexpressible`], [`PublisherError::Write`], [`PublisherError::Instance`]: nothing was published.
    pub async fn update(&self, update: P::Update) -> Result<(), PublisherError> {
        let inner = &self.inner;
        if inner.has_ended() {
            return Err(InstanceError::Ended.into());
        }
        let mut writer = inner.writer.lock().await;
        let version = writer.version();
        let published = update.clone();
        let encode = move |state: &mut State<P>| {
            let publisher = state.publisher();
            (publisher.encode_update(version, &update), publisher.plain_update(&update))
        };
        let (bytes, plain) = inner.worker.run(encode).await?;
        let bytes = bytes.ok_or(PublisherError::Inexpressible { version })?;
        let number = writer.number();
        let written = writer.add(&inner.shelf, bytes).await;
        if writer.number() > number {
            inner.updates.fetch_add(1, Relaxed);
            // It is published; a view that panics at it is made anew with it.
            let _ = inner.worker.run(move |state| state.update_own(&published)).await;
            inner.say(plain);
        }
        written?;
        let wanted = writer.wanted;
        if version != wanted {
            // What could not be said in that version before may be by now.
            match inner.rebase(&mut writer, wanted).await {
                Err(PublisherError::Inexpressible { .. }) => {}
                rebased => return rebased,
            }
        }
        if writer.is_long() {
            inner.rebase(&mut writer, version).await?;
        }
        Ok(())
    }

    /// The node that it runs on.
    pub fn node(&self) -> NodeId {
        self.inner.me
    }

    pub(crate) fn downgrade(&self) -> WeakPublished<P> {
        WeakPublished(Arc::downgrade(&self.inner))
    }

    /// The view, as the implementation makes it. To read it costs what the implementation's own structure costs; nobody who
    /// publishes is waited for.
    pub fn view(&self) -> Arc<P::GlobalView> {
        self.inner.seen.read().clone().expect("it is there before the publisher is")
    }

    /// Subscribes: the first result, and from there on without a gap whatever the implementation tells.
    ///
    /// # Errors
    /// [`PublisherError::Instance`].
    pub async fn subscribe(
        &self,
        subscription: P::Subscription,
    ) -> Result<(P::Answer, Subscribed<P>), PublisherError> {
        let inner = &self.inner;
        let (wanted, subscriptions) = (subscription.clone(), inner.subscriptions.clone());
        let begin = move |state: &mut State<P>| {
            let queue = subscriptions.add(&wanted);
            let answer = state.answer(&wanted);
            queue.is_told();
            (answer, queue)
        };
        let (answer, queue) = inner.worker.run(begin).await?;
        Ok((answer, Subscribed { inner: inner.clone(), subscription, queue }))
    }

    /// A message from outside: from a process of this node, or from a system that knows nothing of this one.
    ///
    /// # Errors
    /// As [`Published::update`], if it turns out to be one; and [`PublisherError::Instance`].
    pub async fn deliver(&self, message: Bytes) -> Result<(), PublisherError> {
        match self.inner.worker.run(move |state| state.translate(message)).await? {
            Foreign::Update(update) => self.update(update).await,
            Foreign::Discover(_) => {
                let plain = self.inner.worker.run(|state| state.plain_own()).await?;
                self.inner.say(plain);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What is said to systems that know nothing of this one, from now on.
    pub fn plain_messages(&self) -> PlainMessages {
        PlainMessages(self.inner.plain.subscribe())
    }

    /// Who takes part, this node included.
    pub async fn peers(&self) -> Vec<Peer> {
        let untranslated = self.inner.showing.lock().await.untranslated.clone();
        let peer = |(node, version)| Peer { node, version, untranslated: untranslated.get(&node).copied() };
        self.inner.peers().into_iter().map(peer).collect()
    }

    /// The version in which this node publishes: the lowest that all who take part speak.
    pub async fn published_version(&self) -> u16 {
        self.inner.writer.lock().await.version()
    }

    /// What happened so far.
    pub fn counters(&self) -> PublisherCounters {
        let Inner { updates, rebased, worker, .. } = &*self.inner;
        PublisherCounters {
            updates: updates.load(Relaxed),
            rebased: rebased.load(Relaxed),
            panics: *worker.panics().borrow(),
        }
    }

    /// Ends it on this node: what the node owned is withdrawn everywhere.
    pub fn stop(&self) {
        self.inner.stop.send_replace(true);
    }
}

impl<P: Publisher> Inner<P> {
    pub fn is_alone(&self) -> bool {
        matches!(self.shelf, Shelf::Alone(_))
    }

    pub fn has_ended(&self) -> bool {
        *self.stop.borrow() || *self.scope.driver().stopping().borrow()
    }

    /// Waits until the publisher or the node has been stopped.
    pub async fn end(&self) {
        let (mut stop, mut stopping) = (self.stop.subscribe(), self.scope.driver().stopping());
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => {}
            _ = stopping.wait_for(|stop| *stop) => {}
        }
    }

    /// The result of a subscription as it is now; what is told behind it begins there.
    pub async fn answer(
        &self,
        subscription: &P::Subscription,
        queue: &Arc<Queue<P::Notice>>,
    ) -> Result<P::Answer, PublisherError> {
        if self.has_ended() {
            return Err(InstanceError::Ended.into());
        }
        let (wanted, queue) = (subscription.clone(), queue.clone());
        let answer = move |state: &mut State<P>| {
            let answer = state.answer(&wanted);
            queue.is_told();
            answer
        };
        Ok(self.worker.run(answer).await?)
    }

    /// Writes all that this node owns anew.
    pub async fn rebase(&self, writer: &mut Writer, version: u16) -> Result<(), PublisherError> {
        let data = self.worker.run(move |state| state.encode_own(version)).await?;
        writer.rebase(&self.shelf, version, data.ok_or(PublisherError::Inexpressible { version })?).await?;
        self.rebased.fetch_add(1, Relaxed);
        Ok(())
    }

    fn say(&self, plain: Vec<Bytes>) {
        // Nobody may be listening.
        plain.into_iter().for_each(|message| _ = self.plain.send(message));
    }
}

impl Owner {
    /// The member, if it is one.
    pub fn member(&self) -> Option<NodeId> {
        match self {
            Self::Member(node) => Some(*node),
            Self::Foreign(_) => None,
        }
    }
}
