//! What waits to be sent on one link: three bounded queues. The urgent one is always emptied first; the other two take turns by
//! bytes, so that neither many small frames nor a few large ones hold up the others.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use super::LinkLimits;
use super::backlog::{Backlog, Behind};

/// Which of a link's three queues a frame waits in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lane {
    /// Small frames that must not wait, such as liveness probes. They overtake all queued bulk frames; only what is
    /// already on its way to the wire (64 KiB, or one frame if that is larger) is before them.
    Urgent,
    /// Everything else.
    Bulk,
    /// Parts of a state transfer, which the peer asks for, and again when one is late. A frame that waits here already is not
    /// queued twice: copies would fill the lane of a slow link that is well. One that finds no room is dropped.
    Transfer,
}

/// Why a frame was not queued. The link is as it was, and the frame was not sent and will not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// The lane has no room; the peer reads more slowly than this node sends.
    #[error("the link's queue is full")]
    Full,
    /// The link has ended or is ending.
    #[error("the link is closed")]
    Closed,
    /// The frame is above `frame_bytes_max`, which the peer would not accept either.
    #[error("a frame of {bytes} bytes is above the limit of {limit}")]
    TooLarge {
        /// The frame's length.
        bytes: usize,
        /// The configured `frame_bytes_max`.
        limit: usize,
    },
}

/// What [`Lanes::take`] found.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// One frame or more.
    Frames,
    /// Nothing at the moment; wait with [`Lanes::filled`].
    Nothing,
    /// Nothing, and there never will be.
    Finished,
}

/// The queues between a link's senders (any number) and the one task that empties them.
pub(super) struct Lanes {
    limits: LinkLimits,
    queues: Mutex<Queues>,
    /// Wakes the emptying task when there is something for it, or when the lanes are closed.
    filled: Notify,
    /// All that was queued is on the wire.
    rests: AtomicBool,
    idle: OnceLock<Arc<Idle>>,
    backlog: OnceLock<Arc<Backlog>>,
    closing: watch::Sender<Closing>,
}

/// Tells when one of several links has nothing left to send.
#[derive(Debug, Default)]
pub struct Idle {
    wanted: AtomicBool,
    told: Notify,
}

impl Idle {
    /// From now on the next link that has nothing left to send ends a wait.
    pub fn want(&self) {
        self.wanted.store(true, Ordering::SeqCst);
    }

    /// Waits until a link had nothing left to send after [`Idle::want`]. For one task only.
    pub async fn told(&self) {
        self.told.notified().await;
    }

    fn tell(&self) {
        if self.wanted.load(Ordering::SeqCst) && self.wanted.swap(false, Ordering::SeqCst) {
            self.told.notify_one();
        }
    }
}

/// How a link's end was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Closing {
    NotYet,
    /// What is queued is still sent.
    Gently,
    AtOnce,
}

#[derive(Default)]
struct Queues {
    urgent: Queue,
    bulk: Queue,
    transfer: Queue,
    /// Bytes that the bulk queue has had more than the transfer queue since both have something.
    bulk_lead: i64,
    behind: Behind,
    closed: bool,
}

#[derive(Default)]
struct Queue {
    frames: VecDeque<Bytes>,
    bytes: usize,
}

impl Lanes {
    pub(super) fn new(limits: LinkLimits) -> Lanes {
        let closing = watch::Sender::new(Closing::NotYet);
        Lanes {
            limits,
            queues: Mutex::default(),
            filled: Notify::new(),
            rests: AtomicBool::new(true),
            idle: OnceLock::new(),
            backlog: OnceLock::new(),
            closing,
        }
    }

    pub(super) fn push(&self, lane: Lane, frame: Bytes) -> Result<(), SendError> {
        let limit = self.limits.frame_bytes_max;
        if frame.len() > limit {
            return Err(SendError::TooLarge { bytes: frame.len(), limit });
        }
        let mut queues = self.queues.lock();
        if queues.closed {
            return Err(SendError::Closed);
        }
        let was_empty = queues.is_empty();
        let queue = match lane {
            Lane::Urgent => &mut queues.urgent,
            Lane::Bulk => &mut queues.bulk,
            Lane::Transfer if queues.transfer.frames.contains(&frame) => return Ok(()),
            Lane::Transfer => &mut queues.transfer,
        };
        match queue.push(frame, &self.limits) {
            // The peer asks for it again; what was told once and for all would be missing.
            Err(SendError::Full) if lane == Lane::Transfer => return Ok(()),
            pushed => pushed?,
        }
        self.look_at_backlog(&mut queues);
        self.rests.store(false, Ordering::SeqCst);
        drop(queues);
        // Whoever empties the lanes looks again before it sleeps, so only the first frame needs to wake it.
        if was_empty {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Moves frames to `into`, urgent ones first, until they have `bytes_max` bytes; at least one, if there is any.
    pub(super) fn take(&self, into: &mut Vec<Bytes>, bytes_max: usize) -> Taken {
        let mut queues = self.queues.lock();
        let mut bytes = 0;
        while let Some(frame) = queues.pop() {
            bytes += frame.len();
            into.push(frame);
            if bytes >= bytes_max {
                break;
            }
        }
        self.look_at_backlog(&mut queues);
        match (into.is_empty(), queues.closed) {
            (false, _) => Taken::Frames,
            (true, false) => Taken::Nothing,
            (true, true) => Taken::Finished,
        }
    }

    /// Is all that was queued on the wire?
    pub(super) fn is_idle(&self) -> bool {
        self.rests.load(Ordering::SeqCst)
    }

    /// Tells this each time that all that was queued is on the wire.
    pub(super) fn tell_idle(&self, idle: Arc<Idle>) {
        let _ = self.idle.set(idle);
    }

    /// From now on counts itself here while it is behind.
    pub(super) fn count_in(&self, backlog: Arc<Backlog>) {
        let _ = self.backlog.set(backlog);
    }

    /// See [`Behind::pass_over`].
    pub(super) fn pass_over(&self, after: Duration) -> bool {
        let Some(backlog) = self.backlog.get() else { return false };
        self.queues.lock().behind.pass_over(after, backlog)
    }

    fn look_at_backlog(&self, queues: &mut Queues) {
        let Some(backlog) = self.backlog.get() else { return };
        let (bytes_max, frames_max) = (self.limits.backlog_bytes_max, self.limits.queue_frames_max / 2);
        let (bytes, frames) = (queues.bulk.bytes, queues.bulk.frames.len());
        if bytes > bytes_max || frames > frames_max {
            queues.behind.begin(backlog);
        } else if bytes <= bytes_max / 2 && frames <= frames_max / 2 {
            queues.behind.end(backlog);
        }
    }

    fn rest(&self) {
        let queues = self.queues.lock();
        if queues.is_empty() && !self.rests.swap(true, Ordering::SeqCst) {
            self.idle.get().into_iter().for_each(|idle| idle.tell());
        }
    }

    /// Waits until there may be something to take, or the lanes are closed. For one task only, which has sent all that it has
    /// taken.
    pub(super) async fn filled(&self) {
        self.rest();
        self.filled.notified().await;
    }

    /// Accepts no more; what is queued can still be taken.
    pub(super) fn close(&self) {
        self.queues.lock().closed = true;
        self.set_closing(Closing::Gently);
    }

    /// Accepts no more and forgets what is queued.
    pub(super) fn kill(&self) {
        let mut queues = self.queues.lock();
        let behind = std::mem::take(&mut queues.behind);
        *queues = Queues { behind, closed: true, ..Queues::default() };
        self.look_at_backlog(&mut queues);
        drop(queues);
        self.set_closing(Closing::AtOnce);
    }

    /// Waits until the lanes are closed.
    pub(super) async fn closed(&self) {
        self.reached(Closing::Gently).await;
    }

    /// Waits until what was queued has been forgotten.
    pub(super) async fn killed(&self) {
        self.reached(Closing::AtOnce).await;
    }

    fn set_closing(&self, closing: Closing) {
        self.closing.send_modify(|now| *now = closing.max(*now));
        self.filled.notify_one();
    }

    async fn reached(&self, closing: Closing) {
        // An error would mean that the sender is gone, and we hold it.
        let _ = self.closing.subscribe().wait_for(|now| *now >= closing).await;
    }
}

impl Queues {
    fn is_empty(&self) -> bool {
        [&self.urgent, &self.bulk, &self.transfer].iter().all(|queue| queue.frames.is_empty())
    }

    fn pop(&mut self) -> Option<Bytes> {
        if let Some(frame) = self.urgent.pop() {
            return Some(frame);
        }
        if self.bulk.frames.is_empty() || self.transfer.frames.is_empty() {
            self.bulk_lead = 0;
            return self.bulk.pop().or_else(|| self.transfer.pop());
        }
        let bulk = self.bulk_lead <= 0;
        let frame = if bulk { self.bulk.pop() } else { self.transfer.pop() }?;
        let bytes = i64::try_from(frame.len()).expect("a frame in memory");
        self.bulk_lead += if bulk { bytes } else { -bytes };
        Some(frame)
    }
}

impl Queue {
    fn push(&mut self, frame: Bytes, limits: &LinkLimits) -> Result<(), SendError> {
        let bytes = self.bytes + frame.len();
        if bytes > limits.queue_bytes_max || self.frames.len() >= limits.queue_frames_max {
            return Err(SendError::Full);
        }
        self.bytes = bytes;
        self.frames.push_back(frame);
        Ok(())
    }

    fn pop(&mut self) -> Option<Bytes> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lanes() -> Lanes {
        Lanes::new(LinkLimits {
            frame_bytes_max: 8,
            queue_bytes_max: 10,
            queue_frames_max: 3,
            ..LinkLimits::default()
        })
    }

    #[test]
    fn urgent_frames_overtake_bulk_frames_and_each_lane_keeps_its_order() {
        let lanes = lanes();
        for (lane, frame) in
            [(Lane::Bulk, "b1"), (Lane::Urgent, "u1"), (Lane::Bulk, "b2"), (Lane::Urgent, "u2")]
        {
            lanes.push(lane, frame.into()).unwrap();
        }
        let mut taken = Vec::new();
        assert_eq!(lanes.take(&mut taken, usize::MAX), Taken::Frames);
        assert_eq!(taken, ["u1", "u2", "b1", "b2"]);
    }

    #[test]
    fn each_lane_has_its_own_limits_in_bytes_and_frames() {
        let lanes = lanes();
        lanes.push(Lane::Bulk, Bytes::from_static(&[0; 8])).unwrap();
        assert_eq!(lanes.push(Lane::Bulk, Bytes::from_static(&[0; 3])), Err(SendError::Full));
        for _ in 0..3 {
            lanes.push(Lane::Urgent, Bytes::from_static(&[0])).unwrap();
        }
        assert_eq!(lanes.push(Lane::Urgent, Bytes::new()), Err(SendError::Full));
        let too_large = SendError::TooLarge { bytes: 9, limit: 8 };
        assert_eq!(lanes.push(Lane::Urgent, Bytes::from_static(&[0; 9])), Err(too_large));
    }

    #[test]
    fn taking_makes_room_and_stops_at_the_number_of_bytes_asked_for() {
        let lanes = lanes();
        lanes.push(Lane::Bulk, Bytes::from_static(&[1; 8])).unwrap();
        lanes.push(Lane::Bulk, Bytes::from_static(&[2; 2])).unwrap();
        let mut taken = Vec::new();
        assert_eq!(lanes.take(&mut taken, 1), Taken::Frames);
        assert_eq!(taken.len(), 1);
        lanes.push(Lane::Bulk, Bytes::from_static(&[3; 8])).unwrap();
    }

    #[test]
    fn parts_of_a_transfer_and_small_frames_take_turns_by_bytes() {
        let lanes = Lanes::new(LinkLimits::default());
        for _ in 0..100 {
            lanes.push(Lane::Bulk, Bytes::from_static(b"push")).unwrap();
        }
        lanes.push(Lane::Transfer, Bytes::from_static(&[1; 40])).unwrap();
        lanes.push(Lane::Transfer, Bytes::from_static(&[2; 40])).unwrap();
        let mut taken = Vec::new();
        lanes.take(&mut taken, usize::MAX);
        let parts: Vec<usize> = (0..102).filter(|at| taken[*at].len() == 40).collect();
        assert_eq!(
            parts,
            [1, 12],
            "one push, a part, ten pushes that make up for it, one more, and the next part"
        );
    }

    #[test]
    fn a_part_that_is_asked_for_again_while_it_waits_is_not_queued_twice() {
        let lanes = lanes();
        for _ in 0..9 {
            lanes.push(Lane::Transfer, Bytes::from_static(b"part 1")).unwrap();
        }
        lanes.push(Lane::Transfer, Bytes::from_static(b"pt 2")).unwrap();
        let mut taken = Vec::new();
        lanes.take(&mut taken, usize::MAX);
        assert_eq!(taken, ["part 1", "pt 2"]);
    }

    #[test]
    fn a_part_that_finds_no_room_is_dropped_and_the_link_goes_on() {
        let lanes = lanes();
        for part in ["part 1", "part 2"] {
            lanes.push(Lane::Transfer, part.into()).unwrap();
        }
        lanes.push(Lane::Bulk, "push".into()).unwrap();
        let mut taken = Vec::new();
        lanes.take(&mut taken, usize::MAX);
        assert_eq!(taken, ["push", "part 1"]);
    }

    #[test]
    fn lanes_are_behind_from_the_limit_down_to_half_of_it_and_are_passed_over_when_it_lasts() {
        let limits = LinkLimits { backlog_bytes_max: 6, ..LinkLimits::default() };
        let (lanes, backlog) = (Lanes::new(limits), Arc::new(Backlog::default()));
        lanes.count_in(backlog.clone());
        let push = || lanes.push(Lane::Bulk, "four".into()).unwrap();
        let take = || lanes.take(&mut Vec::new(), 1);
        push();
        lanes.push(Lane::Transfer, "is asked for".into()).unwrap();
        assert!(!backlog.is_any());
        push();
        assert!(backlog.is_any(), "eight bytes");
        assert!(!lanes.pass_over(Duration::from_secs(60)) && backlog.is_any());
        take();
        assert!(backlog.is_any(), "four");
        assert!(lanes.pass_over(Duration::ZERO) && !lanes.pass_over(Duration::ZERO));
        push();
        assert!(!backlog.is_any(), "passed over until it has caught up");
        (0..4).for_each(|_| _ = take());
        push();
        push();
        assert!(backlog.is_any(), "behind anew");
        lanes.kill();
        assert!(!backlog.is_any());
    }

    #[test]
    fn closed_lanes_give_what_they_have_and_killed_lanes_nothing() {
        for (kill, expected) in [(false, Taken::Frames), (true, Taken::Finished)] {
            let lanes = lanes();
            lanes.push(Lane::Bulk, "late".into()).unwrap();
            if kill {
                lanes.kill();
            } else {
                lanes.close();
            }
            assert_eq!(lanes.push(Lane::Bulk, "later".into()), Err(SendError::Closed));
            assert_eq!(lanes.take(&mut Vec::new(), 1), expected);
            assert_eq!(lanes.take(&mut Vec::new(), 1), Taken::Finished);
        }
    }
}
