//! What is going to happen, in the order of (time, sequence number).

use std::collections::BTreeMap;

use bytes::Bytes;
use damson_core::node::LinkId;
use damson_core::time::Time;

/// Something that is going to happen.
#[derive(Debug)]
pub(crate) enum Event {
    /// A frame arrives at an end of a link.
    Frame { link: LinkId, frame: Bytes },
    /// An end of a link goes down.
    LinkDown { link: LinkId },
    /// A dial comes to its end, one way or the other.
    Dialed { from: usize, boot: u64, address: String },
    /// The target of a dial did not answer.
    DialFailed { from: usize, boot: u64, address: String },
    /// A node's deadline, as it was when this was put here.
    Tick { at: usize, boot: u64, due: Time },
    /// A disk has flushed what was written before.
    Flushed { at: usize, disk: u64, groups: u64 },
    /// Somebody writes.
    Write,
    /// A process that the others have forgotten begins again.
    Reborn { at: usize, boot: u64 },
    /// The liar lies.
    Lie,
    /// Somebody forgets removals.
    Truncate,
    /// The invariants are looked at.
    Check,
}

/// The heap of events.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    events: BTreeMap<(Time, u64), Event>,
    next: u64,
}

impl Queue {
    pub fn push(&mut self, at: Time, event: Event) {
        self.events.insert((at, self.next), event);
        self.next += 1;
    }

    /// The next event, unless it lies behind `until`.
    pub fn pop(&mut self, until: Time) -> Option<(Time, Event)> {
        let entry = self.events.first_entry().filter(|entry| entry.key().0 <= until)?;
        let ((at, _), event) = entry.remove_entry();
        Some((at, event))
    }
}
