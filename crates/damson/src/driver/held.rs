//! Frames of one link that wait until the disk has room.
//!
//! What leads to large writes must not pile up in memory, but a node that reads nothing while its disk is busy hears no
//! probe and no answer: it judges its neighbours dead, is judged dead, and cannot refute. So urgent frames go ahead, as
//! they do in the sender's queue, and the others wait here in their order.

use std::collections::VecDeque;

use bytes::Bytes;

/// Bytes that wait for one link, above which it is read no further.
const BYTES_MAX: usize = 16 << 20;
/// Frames that wait for one link, above which it is read no further.
const FRAMES_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub(super) struct Held {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

impl Held {
    pub fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub fn is_full(&self) -> bool {
        self.bytes >= BYTES_MAX || self.frames.len() >= FRAMES_MAX
    }

    pub fn hold(&mut self, frame: Bytes) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    /// Takes out the oldest.
    pub fn release(&mut self, max: usize) -> impl Iterator<Item = Bytes> {
        let released = self.frames.drain(..max.min(self.frames.len()));
        released.inspect(|frame| self.bytes -= frame.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_leave_in_their_order_and_both_limits_count_only_what_waits() {
        let mut held = Held::default();
        held.hold(vec![1; BYTES_MAX - 1].into());
        assert!(!held.is_full());
        held.hold(vec![2; 1].into());
        assert!(held.is_full());
        let first: Vec<u8> = held.release(1).map(|frame| frame[0]).collect();
        assert_eq!((first, held.is_full()), (vec![1], false));
        (0..FRAMES_MAX).for_each(|_| held.hold(Bytes::new()));
        assert!(held.is_full());
        assert_eq!(held.release(usize::MAX).count(), FRAMES_MAX + 1);
        assert!(held.is_empty() && held.bytes == 0);
    }
}
