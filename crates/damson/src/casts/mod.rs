//! Messages that are no state, as this node's users send and hear them. [`Topic`](crate::Topic) and
//! [`BroadcastHandler`](crate::broadcast::BroadcastHandler) stand on it.

mod inbox;

use std::sync::Arc;

use damson_core::casts::{CastError as CoreError, Tag};
use damson_core::replica::{Behind, WriteError};

use crate::driver::Driver;
use crate::value::ValueError;

pub(crate) use inbox::{Heard, Inbox, Listeners};

/// The longest name of a topic or a handler, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = Tag::BYTES_MAX - 2;

/// What may wait for somebody who listens. Messages beyond are dropped and told as lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboxLimits {
    /// Messages. Default 8,192.
    pub messages_max: usize,
    /// Their bytes. Default 8 MiB. A single message may be longer when nothing else waits.
    pub bytes_max: usize,
}

/// The text is no name of a topic or a handler.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a name of {what} is 1 to {max} of a-z A-Z 0-9 . - _ : ~, got {got:?}", max = NAME_BYTES_MAX)]
pub struct NameError {
    what: &'static str,
    got: String,
}

/// A message that was not sent. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CastError {
    /// It cannot be written as bytes.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// It is too long.
    #[error(
        "a message of {got} bytes, the limit is {limit}: send a name under which it can be had, or parts"
    )]
    TooLarge {
        /// Its length in bytes.
        got: usize,
        /// The longest permitted.
        limit: usize,
    },
    /// This process has sent on too many topics and handlers.
    #[error("the limit of {limit} topics and handlers that one process may send on is reached")]
    TooManyTags {
        /// The limit.
        limit: usize,
    },
    /// Links or the disk were behind what is sent for all of [`NodeBuilder::write_patience`](crate::NodeBuilder::write_patience).
    #[error("busy: {behind} is behind what is sent; try again later")]
    Busy {
        /// What is behind.
        behind: Behind,
    },
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

/// Hears what comes on a tag, from its beginning until it is dropped.
pub(crate) struct Listening {
    driver: Arc<Driver>,
    tag: Tag,
    inbox: Arc<Inbox>,
}

impl Default for InboxLimits {
    fn default() -> Self {
        Self { messages_max: 8_192, bytes_max: 8 << 20 }
    }
}

/// The tag of a topic or a handler of this name.
pub(crate) fn tag(kind: char, what: &'static str, name: &str) -> Result<Tag, NameError> {
    let wrong = || NameError { what, got: name.chars().take(80).collect() };
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        return Err(wrong());
    }
    Tag::new(&format!("{kind}:{name}")).map_err(|_| wrong())
}

impl Listening {
    pub fn begin(driver: Arc<Driver>, tag: Tag, limits: InboxLimits) -> Self {
        let inbox = Arc::new(Inbox::new(limits));
        // Under the node's lock: what is told after this is heard.
        driver.change(|node, _, _| {
            driver.listeners().add(&tag, &inbox);
            node.listen(tag.clone(), true);
        });
        Self { driver, tag, inbox }
    }

    /// What came next; `None` when the node has stopped and all was told.
    pub async fn next(&mut self) -> Option<Heard> {
        let mut stopping = self.driver.stopping();
        loop {
            if let Some(heard) = self.inbox.take() {
                return Some(heard);
            }
            tokio::select! {
                () = self.inbox.noted() => {}
                _ = stopping.wait_for(|stop| *stop) => return self.inbox.take(),
            }
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.driver.change(|node, _, _| {
            if self.driver.listeners().remove(&self.tag, &self.inbox) {
                node.listen(self.tag.clone(), false);
            }
        });
    }
}

impl From<CoreError> for CastError {
    fn from(error: CoreError) -> Self {
        match error {
            CoreError::TooLarge { got, limit } => Self::TooLarge { got, limit },
            CoreError::TooManyTags { limit } => Self::TooManyTags { limit },
            // Errors of the core that this version does not know are limits too.
            _ => Self::TooManyTags { limit: damson_core::casts::TAGS_MAX },
        }
    }
}

/// Of waiting for room.
impl From<WriteError> for CastError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Busy { behind } => Self::Busy { behind },
            _ => Self::Stopped,
        }
    }
}
