//! What is going to happen, in the order of (time, sequence number).

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use bytes::Bytes;
use damson_core::node::LinkId;
use damson_core::time::Time;

/// Something that is going to happen. Small: heaps move their entries about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// A frame arrives at an end of a link.
    Frame { link: LinkId, frame: FrameNo },
    /// An end of a link goes down.
    LinkDown { link: LinkId },
    /// An end of a link comes up.
    LinkUp { link: LinkId },
    /// A dial comes to its end, one way or the other.
    Dialed { from: u32, to: u32 },
    /// What was dialled does not answer.
    DialFailed { from: u32, to: u32 },
    /// A node's deadline, as it was when this was put here.
    Tick { at: u32 },
    /// What a node awaits is on its disk.
    Persisted { at: u32, ticket: u64 },
    /// A node starts, with this contact.
    Start { at: u32, contact: Option<u32> },
    /// A starved node is done with the first input of its inbox.
    Served { at: u32 },
}

/// A frame under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameNo(u32);

/// An event's place in the order.
#[derive(Debug)]
struct Entry {
    /// The time, then the sequence number: one comparison.
    key: u128,
    event: Event,
}

/// The heap of events. Frames lie beside it.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    heap: BinaryHeap<Entry>,
    next: u64,
    frames: Vec<Bytes>,
    free: Vec<u32>,
}

impl Queue {
    pub fn push(&mut self, at: Time, event: Event) {
        let key = u128::from(at.0) << 64 | u128::from(self.next);
        self.heap.push(Entry { key, event });
        self.next += 1;
    }

    pub fn push_frame(&mut self, at: Time, link: LinkId, frame: Bytes) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.frames.push(Bytes::new());
            u32::try_from(self.frames.len() - 1).expect("fewer than 2^32 frames under way")
        });
        self.frames[slot as usize] = frame;
        self.push(at, Event::Frame { link, frame: FrameNo(slot) });
    }

    /// The frame of an event that was popped, once.
    pub fn take_frame(&mut self, frame: FrameNo) -> Bytes {
        self.free.push(frame.0);
        std::mem::take(&mut self.frames[frame.0 as usize])
    }

    /// The next event, unless it lies behind `until`.
    pub fn pop(&mut self, until: Time) -> Option<(Time, Event)> {
        if self.heap.peek()?.at() > until {
            return None;
        }
        self.heap.pop().map(|entry| (entry.at(), entry.event))
    }
}

impl Entry {
    fn at(&self) -> Time {
        Time(u64::try_from(self.key >> 64).expect("64 bits"))
    }
}

/// The greatest is the next.
impl Ord for Entry {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        other.key.cmp(&self.key)
    }
}

impl PartialOrd for Entry {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    #[inline]
    fn le(&self, other: &Self) -> bool {
        other.key <= self.key
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Entry {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_in_the_order_of_time_then_of_pushing() {
        let mut queue = Queue::default();
        let times = [5, 1, 3, 1, 5, 1];
        times.iter().zip(0..).for_each(|(at, n)| queue.push(Time(*at), Event::Tick { at: n }));
        let order: Vec<Event> = std::iter::from_fn(|| queue.pop(Time(4))).map(|(_, event)| event).collect();
        assert_eq!(order, [1, 3, 5, 2].map(|at| Event::Tick { at }));
        assert_eq!(queue.pop(Time(9)), Some((Time(5), Event::Tick { at: 0 })));
    }

    #[test]
    fn each_frame_comes_back_once_and_its_place_is_used_again() {
        let mut queue = Queue::default();
        for round in 0..3_u8 {
            for n in 0..4 {
                queue.push_frame(Time(u64::from(n)), LinkId(7), Bytes::from(vec![round, n]));
            }
            for n in 0..4 {
                let Some((_, Event::Frame { frame, .. })) = queue.pop(Time(9)) else { panic!("a frame") };
                assert_eq!(queue.take_frame(frame), [round, n][..]);
            }
        }
        assert_eq!(queue.frames.len(), 4);
    }
}
