//! What waits for somebody who listens: bounded, and what found no room is told as lost.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

use bytes::Bytes;
use damson_core::casts::Tag;
use damson_core::crdt::{Actor, NodeId};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::InboxLimits;

/// What came on a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// A message.
    Cast {
        /// The process that sent it.
        from: Actor,
        /// Its number there.
        number: u64,
        /// What it says.
        body: Bytes,
    },
    /// Nobody can give these any more.
    Gone {
        /// The process that sent them.
        from: Actor,
        /// The first.
        first: u64,
        /// The last.
        last: u64,
    },
    /// So many of a member's messages found no room here.
    Lost {
        /// The member.
        from: NodeId,
        /// How many.
        messages: u64,
    },
}

pub(crate) struct Inbox {
    limits: InboxLimits,
    queue: Mutex<Queue>,
    noted: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Heard>,
    bytes: usize,
    /// Lost since the last that waits.
    lost: BTreeMap<NodeId, u64>,
}

/// Who listens to what.
#[derive(Default)]
pub(crate) struct Listeners {
    by_tag: Mutex<BTreeMap<Tag, Vec<Weak<Inbox>>>>,
}

impl Inbox {
    pub fn new(limits: InboxLimits) -> Self {
        Self { limits, queue: Mutex::default(), noted: Notify::new() }
    }

    pub fn take(&self) -> Option<Heard> {
        let mut queue = self.queue.lock();
        if let Some(heard) = queue.waiting.pop_front() {
            queue.bytes -= heard.bytes();
            return Some(heard);
        }
        let (from, messages) = queue.lost.pop_first()?;
        Some(Heard::Lost { from, messages })
    }

    /// Waits until something was noted since this was called last.
    pub async fn noted(&self) {
        self.noted.notified().await;
    }

    fn note(&self, heard: Heard) {
        self.queue.lock().add(heard, self.limits);
        self.noted.notify_one();
    }
}

impl Queue {
    fn add(&mut self, heard: Heard, limits: InboxLimits) {
        let full = !self.waiting.is_empty()
            && (self.waiting.len() >= limits.messages_max || self.bytes + heard.bytes() > limits.bytes_max);
        match heard {
            Heard::Cast { from, .. } if full => self.lose(from.node, 1),
            Heard::Gone { from, first, last } if full => self.lose(from.node, last - first + 1),
            Heard::Lost { from, messages } => self.lose(from, messages),
            Heard::Cast { .. } | Heard::Gone { .. } => {
                // In the order in which it was so.
                let lost = std::mem::take(&mut self.lost).into_iter();
                self.waiting.extend(lost.map(|(from, messages)| Heard::Lost { from, messages }));
                self.bytes += heard.bytes();
                self.waiting.push_back(heard);
            }
        }
    }

    fn lose(&mut self, from: NodeId, messages: u64) {
        let lost = self.lost.entry(from).or_default();
        *lost = lost.saturating_add(messages);
    }
}

impl Heard {
    fn bytes(&self) -> usize {
        match self {
            Self::Cast { body, .. } => body.len(),
            Self::Gone { .. } | Self::Lost { .. } => 0,
        }
    }
}

impl Listeners {
    /// Hands it to all who listen to the tag.
    pub fn note(&self, tag: &Tag, heard: &Heard) {
        let by_tag = self.by_tag.lock();
        let inboxes = by_tag.get(tag).into_iter().flatten();
        inboxes.filter_map(Weak::upgrade).for_each(|inbox| inbox.note(heard.clone()));
    }

    pub(super) fn add(&self, tag: &Tag, inbox: &Arc<Inbox>) {
        self.by_tag.lock().entry(tag.clone()).or_default().push(Arc::downgrade(inbox));
    }

    /// Says whether nobody is left.
    pub(super) fn remove(&self, tag: &Tag, inbox: &Arc<Inbox>) -> bool {
        let mut by_tag = self.by_tag.lock();
        let Some(inboxes) = by_tag.get_mut(tag) else { return true };
        inboxes.retain(|other| !std::ptr::eq(other.as_ptr(), Arc::as_ptr(inbox)));
        let none = inboxes.is_empty();
        if none {
            by_tag.remove(tag);
        }
        none
    }
}

#[cfg(test)]
mod tests {
    use damson_core::crdt::Life;

    use super::*;

    fn cast(node: u8, number: u64, bytes: usize) -> Heard {
        let from = Actor::new(NodeId([node; 16]), Life(1));
        Heard::Cast { from, number, body: vec![0; bytes].into() }
    }

    fn lost(node: u8, messages: u64) -> Heard {
        Heard::Lost { from: NodeId([node; 16]), messages }
    }

    #[test]
    fn what_finds_no_room_is_told_where_it_was_lost() {
        let inbox = Inbox::new(InboxLimits { messages_max: 2, bytes_max: 1_000 });
        (1..=5).for_each(|number| inbox.note(cast(1, number, 1)));
        inbox.note(cast(2, 1, 1));
        assert_eq!(inbox.take(), Some(cast(1, 1, 1)));
        inbox.note(cast(1, 6, 1));
        let rest: Vec<Heard> = std::iter::from_fn(|| inbox.take()).collect();
        assert_eq!(rest, [cast(1, 2, 1), lost(1, 3), lost(2, 1), cast(1, 6, 1)]);
    }

    #[test]
    fn bytes_are_bounded_too_but_for_a_single_message() {
        let inbox = Inbox::new(InboxLimits { messages_max: 10, bytes_max: 100 });
        inbox.note(cast(1, 1, 500));
        inbox.note(cast(1, 2, 1));
        inbox.note(lost(1, u64::MAX));
        let all: Vec<Heard> = std::iter::from_fn(|| inbox.take()).collect();
        assert_eq!(all, [cast(1, 1, 500), lost(1, u64::MAX)]);
        inbox.note(cast(1, 3, 60));
        inbox.note(cast(1, 4, 40));
        assert_eq!(std::iter::from_fn(|| inbox.take()).count(), 2, "room again");
    }
}
