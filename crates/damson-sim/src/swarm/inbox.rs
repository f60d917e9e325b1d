//! The inbox of a node that starves: inputs wait there until the node is free.
//!
//! A starved node is one server with one queue: each input takes it [`SERVICE_US`], what it does shows at the end of that
//! time, and inputs that come meanwhile wait in the order in which they came. Its timers are inputs as well.

use std::collections::VecDeque;

use super::queue::Event;

/// How many times slower a starved node is.
const SLOWER: u64 = 100;
/// What an input costs a node that does not starve, in microseconds: nominal, since other nodes take no time at all.
const NOMINAL_US: u64 = 50;
/// What an input costs a starved node, in microseconds.
pub(crate) const SERVICE_US: u64 = SLOWER * NOMINAL_US;
/// Frames that wait at most; any more are dropped. 50 seconds of work.
pub(crate) const WAITING_FRAMES_MAX: usize = 10_000;

/// Inputs that wait.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    waiting: VecDeque<Event>,
    frames: usize,
}

/// What became of an input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Queued {
    /// The node was idle, and begins with it.
    Begins,
    /// It waits.
    Waits,
    /// There was no room.
    Full,
}

impl Inbox {
    /// Puts an input behind all others.
    pub fn put(&mut self, event: Event) -> Queued {
        let is_frame = matches!(event, Event::Frame { .. });
        if is_frame && self.frames >= WAITING_FRAMES_MAX {
            return Queued::Full;
        }
        self.frames += usize::from(is_frame);
        self.waiting.push_back(event);
        if self.waiting.len() == 1 { Queued::Begins } else { Queued::Waits }
    }

    /// How many inputs wait, the one in work included.
    #[cfg(test)]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// The input on which the node has been working, and whether another waits.
    pub fn take(&mut self) -> Option<(Event, bool)> {
        let event = self.waiting.pop_front()?;
        self.frames -= usize::from(matches!(event, Event::Frame { .. }));
        Some((event, !self.waiting.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::Queue;
    use super::*;
    use damson_core::node::LinkId;
    use damson_core::time::Time;

    #[test]
    fn inputs_come_out_in_the_order_in_which_they_came() {
        let mut inbox = Inbox::default();
        assert_eq!(inbox.put(Event::Tick { at: 1 }), Queued::Begins);
        assert_eq!(inbox.put(Event::Persisted { at: 1, ticket: 5 }), Queued::Waits);
        assert_eq!(inbox.take(), Some((Event::Tick { at: 1 }, true)));
        assert_eq!(inbox.take(), Some((Event::Persisted { at: 1, ticket: 5 }, false)));
        assert_eq!(inbox.take(), None);
        assert_eq!(inbox.put(Event::Tick { at: 1 }), Queued::Begins);
    }

    #[test]
    fn frames_beyond_the_limit_are_dropped_and_nothing_else() {
        let mut queue = Queue::default();
        queue.push_frame(Time(1), LinkId(4), vec![1].into());
        let (_, frame) = queue.pop(Time(1)).expect("pushed above");
        let mut inbox = Inbox::default();
        (0..WAITING_FRAMES_MAX).for_each(|_| assert_ne!(inbox.put(frame), Queued::Full));
        assert_eq!(inbox.put(frame), Queued::Full);
        assert_eq!(inbox.put(Event::Tick { at: 1 }), Queued::Waits);
        inbox.take();
        assert_eq!(inbox.put(frame), Queued::Waits);
    }
}
