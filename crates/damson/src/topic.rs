//! Topics: publish and subscribe across the cluster, for messages that nobody keeps.
//!
//! Every subscriber that is connected hears each message once, or is told that it lost some; in the order of their
//! arrival, which is mostly that in which each member sent them. Who comes later hears from then on. What has to be there
//! later belongs into a [`Scope`](crate::Scope).

use std::marker::PhantomData;
use std::sync::Arc;

use damson_core::casts::Tag;
use damson_core::crdt::NodeId;

use crate::casts::{self, CastError, Heard as Raw, InboxLimits, Listening, NameError};
use crate::driver::Driver;
use crate::node::Node;
use crate::value::{Value, ValueError};

/// A topic for messages of one type. Cheap to clone.
pub struct Topic<T> {
    driver: Arc<Driver>,
    tag: Tag,
    messages: PhantomData<fn(T) -> T>,
}

/// Hears what is published on a topic, this node's own messages included, from its beginning until it is dropped.
pub struct Subscriber<T> {
    listening: Listening,
    messages: PhantomData<fn() -> T>,
}

/// What a subscriber is told.
#[derive(Debug)]
#[non_exhaustive]
pub enum Heard<T> {
    /// A message.
    Message {
        /// The member that published it.
        from: NodeId,
        /// What it says.
        message: T,
    },
    /// Messages that this subscriber will not be told: nobody could give them any more, or it read too slowly.
    Lost {
        /// The member that published them.
        from: NodeId,
        /// How many.
        messages: u64,
    },
    /// A message that is not of the topic's type.
    Undecodable {
        /// The member that published it.
        from: NodeId,
        /// What is wrong with it.
        error: ValueError,
    },
}

impl Node {
    /// A topic of the cluster. Nothing is created anywhere by naming it.
    ///
    /// # Errors
    /// When the text is no name: 1 to 56 bytes of letters, digits, `.`, `-`, `_`, `:` and `~`.
    pub fn topic<T: Value>(&self, name: &str) -> Result<Topic<T>, NameError> {
        let tag = casts::tag('t', "a topic", name)?;
        Ok(Topic { driver: self.driver().clone(), tag, messages: PhantomData })
    }
}

impl<T: Value> Topic<T> {
    /// Sends a message to all who subscribe. When this returns it is on its way; nobody has to have it yet. While links are
    /// behind what is sent it waits, as writes do.
    ///
    /// # Errors
    /// [`CastError`]: nothing was sent then. A message has at most 1 MiB.
    pub async fn publish(&self, message: &T) -> Result<(), CastError> {
        let body = message.encode()?;
        self.driver.cast(&self.tag, body).await.map(|_| ())
    }

    /// Hears what is published from now on.
    pub fn subscribe(&self) -> Subscriber<T> {
        self.subscribe_with(InboxLimits::default())
    }

    /// The same with limits of its own for what waits to be heard.
    pub fn subscribe_with(&self, limits: InboxLimits) -> Subscriber<T> {
        let listening = Listening::begin(self.driver.clone(), self.tag.clone(), limits);
        Subscriber { listening, messages: PhantomData }
    }
}

impl<T: Value> Subscriber<T> {
    /// What came next; `None` when the node has stopped and all was told. Can be dropped while it waits, nothing is lost by
    /// that.
    pub async fn next(&mut self) -> Option<Heard<T>> {
        Some(match self.listening.next().await? {
            Raw::Lost { from, messages } => Heard::Lost { from, messages },
            Raw::Gone { from, first, last } => Heard::Lost { from: from.node, messages: last - first + 1 },
            Raw::Cast { from, body, .. } => match T::decode(body) {
                Ok(message) => Heard::Message { from: from.node, message },
                Err(error) => Heard::Undecodable { from: from.node, error },
            },
        })
    }
}

impl<T> Clone for Topic<T> {
    fn clone(&self) -> Self {
        Self { driver: self.driver.clone(), tag: self.tag.clone(), messages: PhantomData }
    }
}
