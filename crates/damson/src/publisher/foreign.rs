//! Messages from and to what knows nothing of this system.

use bytes::Bytes;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::Publisher;

/// What a message from outside means.
#[derive(Debug)]
pub enum Foreign<P: Publisher> {
    /// An update of this node's own data: for example because a process that it speaks of has ended.
    Update(P::Update),
    /// An update of what something outside owns. Of one that was never discovered, and told no data, it is ignored.
    OwnersUpdate(Bytes, P::Update),
    /// All that something outside owns.
    LocalData(Bytes, P::LocalData),
    /// Something outside is there: it is answered with this node's data, as plain messages.
    Discover(Bytes),
    /// Something outside has gone, with what it owned.
    Gone(Bytes),
    /// Nothing.
    Drop,
}

/// What is said to systems that know nothing of this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plain {
    /// A message.
    Message(Bytes),
    /// So many were not taken in time, and are lost: discover this node again.
    Lost(u64),
}

/// Plain messages, as they come.
pub struct PlainMessages(pub(super) Receiver<Bytes>);

impl PlainMessages {
    /// The next; `None` when the publisher has ended.
    pub async fn next(&mut self) -> Option<Plain> {
        match self.0.recv().await {
            Ok(message) => Some(Plain::Message(message)),
            Err(RecvError::Lagged(messages)) => Some(Plain::Lost(messages)),
            Err(RecvError::Closed) => None,
        }
    }
}
