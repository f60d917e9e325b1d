//! The two halves of a link: [`Link`] for its owner, `Endpoint` for the transport that carries it.

use std::{
    fmt, future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{sync::mpsc, time};

use super::{
    ByoLink, Lane, PeerId, SendError, TransportError,
    backlog::Backlog,
    lanes::{Idle, Lanes, Taken},
};
use crate::identity::hex;

/// A link to one authenticated peer: whole frames in both directions.
///
/// A link lives as long as its receiver and at least one sender; dropping either ends it, as [`LinkSender::close`]
/// does.
pub struct Link {
    /// Who is at the other end.
    pub peer: PeerId,
    /// Where the peer was met, for logs: the address that was dialled, or from which it called.
    pub remote: String,
    /// Sends to the peer.
    pub sender: LinkSender,
    /// Frames from the peer; `None` once the link has ended for whatever reason. It is bounded: while nobody
    /// receives, nothing is read from the wire, and the peer's probes wait too.
    ///
    /// Small frames that arrived together share one allocation of 64 KiB at most; copy what you keep for long.
    pub incoming: mpsc::Receiver<Bytes>,
}

/// Sends frames on a link; clones send on the same link. Sending never waits.
#[derive(Clone)]
pub struct LinkSender {
    lanes: Arc<LastSender>,
}

/// How much one link may hold. Memory for one link is bounded by three times `queue_bytes_max` (a lane
/// each), plus `incoming_bytes_max`, plus about three times `frame_bytes_max` for the frames under way.
#[derive(Clone, Debug)]
pub struct LinkLimits {
    /// Longest frame in bytes, sent or received; all nodes of a cluster need the same. A long frame delays urgent
    /// frames behind it for as long as it takes on the wire. Default 64 MiB (a guess: a few concurrent largest values and their
    /// framing).
    pub frame_bytes_max: usize,
    /// Bytes that may wait in each of the three lanes; above, sending fails with [`SendError::Full`], and a node closes the
    /// link. More rides out longer stalls, less notices a slow peer sooner. At least `frame_bytes_max`. Default 128 MiB:
    /// twice the longest frame, so that one which waits leaves room for others. A peer asks for one part of a transfer
    /// (256 KiB, unless one cell is larger) at a time.
    pub queue_bytes_max: usize,
    /// Bytes waiting in the bulk lane, or frames beyond half of `queue_frames_max`, from which on the link is behind and who
    /// writes on this node waits; until it has half as many. Default 8 MiB: a tenth of a second of a fast network.
    pub backlog_bytes_max: usize,
    /// Frames that may wait in each of the three lanes. Default 65,536 (a guess).
    pub queue_frames_max: usize,
    /// Bytes received and not yet taken by the link's owner; above, reading from the wire stops. A single frame is
    /// always let through. Default 16 MiB (a guess).
    pub incoming_bytes_max: usize,
    /// Frames received and not yet taken by the link's owner. Default 1024 (a guess).
    pub incoming_frames_max: usize,
    /// How long an ended link may take to send what is still queued. Default 2 s (a guess: enough for a goodbye).
    pub linger: Duration,
}

impl Link {
    /// Makes a link for a [`Transport`](super::Transport) of one's own: the half that `dial` and `accept` return, and the half that
    /// the transport feeds from the wire and empties to it. `peer` is who is at the other end, as far as the transport knows.
    ///
    /// # Errors
    /// [`TransportError::Config`] if the limits make no sense.
    pub fn pair(
        peer: PeerId,
        remote: impl Into<String>,
        limits: &LinkLimits,
    ) -> Result<(Link, ByoLink), TransportError> {
        limits.validate()?;
        let (link, endpoint) = Link::new(peer, remote.into(), limits);
        Ok((link, ByoLink::new(endpoint)))
    }

    /// Makes both halves of a link.
    pub(super) fn new(peer: PeerId, remote: String, limits: &LinkLimits) -> (Link, Endpoint) {
        let lanes = Arc::new(Lanes::new(limits.clone()));
        let (inbox, incoming) = mpsc::channel(limits.incoming_frames_max);
        let sender = LinkSender { lanes: Arc::new(LastSender(lanes.clone())) };
        let endpoint = Endpoint { lanes, inbox, undelivered: AtomicUsize::new(0), limits: limits.clone() };
        (Link { peer, remote, sender, incoming }, endpoint)
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Link({} at {})", hex(&self.peer), self.remote)
    }
}

impl LinkSender {
    /// Queues a frame, at once or not at all.
    ///
    /// # Errors
    /// See [`SendError`]; a queued frame can still be lost when the link ends.
    pub fn try_send(&self, lane: Lane, frame: Bytes) -> Result<(), SendError> {
        self.lanes.0.push(lane, frame)
    }

    /// Is all that was queued on the wire?
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.lanes.0.is_idle()
    }

    /// From now on tells `idle` when all that was queued is on the wire.
    pub fn tell_idle(&self, idle: Arc<Idle>) {
        self.lanes.0.tell_idle(idle);
    }

    /// From now on the link counts itself here while it is behind.
    pub fn count_in(&self, backlog: Arc<Backlog>) {
        self.lanes.0.count_in(backlog);
    }

    /// Nobody is to wait for this link any more, until it has caught up, if it has been behind for so long. Is that so since
    /// now?
    #[must_use]
    pub fn pass_over(&self, after: Duration) -> bool {
        self.lanes.0.pass_over(after)
    }

    /// Ends the link for both sides at once; what is queued is not sent.
    pub fn abort(&self) {
        self.lanes.0.kill();
    }

    /// Ends the link for both sides. Frames queued before are still sent, for `linger` at most; none is received.
    pub fn close(&self) {
        self.lanes.0.close();
    }
}

impl fmt::Debug for LinkSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSender")
    }
}

impl Default for LinkLimits {
    fn default() -> LinkLimits {
        LinkLimits {
            frame_bytes_max: 64 << 20,
            queue_bytes_max: 128 << 20,
            backlog_bytes_max: 8 << 20,
            queue_frames_max: 65_536,
            incoming_bytes_max: 16 << 20,
            incoming_frames_max: 1024,
            linger: Duration::from_secs(2),
        }
    }
}

impl LinkLimits {
    pub(super) fn validate(&self) -> Result<(), TransportError> {
        let wrong = |field, reason| Err(TransportError::Config { field, reason });
        if self.frame_bytes_max == 0 || u32::try_from(self.frame_bytes_max).is_err() {
            return wrong("frame_bytes_max", "must be between 1 and 4294967295");
        }
        if self.queue_bytes_max < self.frame_bytes_max {
            return wrong(
                "queue_bytes_max",
                "must be at least frame_bytes_max, or such a frame could never be sent",
            );
        }
        if self.backlog_bytes_max == 0 {
            return wrong("backlog_bytes_max", "must be at least 1, or nobody could ever write");
        }
        if self.queue_frames_max == 0 {
            return wrong("queue_frames_max", "must be at least 1");
        }
        if self.incoming_frames_max == 0 || self.incoming_frames_max > MAX_INCOMING_FRAMES {
            return wrong("incoming_frames_max", "must be between 1 and 1048576");
        }
        Ok(())
    }
}

/// The channel behind [`Link::incoming`] panics above its own limit, which is far higher.
const MAX_INCOMING_FRAMES: usize = 1 << 20;

/// Closes the lanes when the last clone of a [`LinkSender`] goes.
struct LastSender(Arc<Lanes>);

impl Drop for LastSender {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The transport's half of a link. Dropping it ends the link: `incoming` runs dry and sending fails.
pub(super) struct Endpoint {
    lanes: Arc<Lanes>,
    inbox: mpsc::Sender<Bytes>,
    /// Upper bound for the bytes in `inbox`; exact counting would need the owner's help.
    undelivered: AtomicUsize,
    limits: LinkLimits,
}

impl Endpoint {
    /// Moves queued frames to `into`; see [`Lanes::take`].
    pub(super) fn take(&self, into: &mut Vec<Bytes>, bytes_max: usize) -> Taken {
        self.lanes.take(into, bytes_max)
    }

    /// Waits until there may be something to take.
    pub(super) async fn filled(&self) {
        self.lanes.filled().await;
    }

    /// Waits for the next frame to send; `None` once the link has ended and all was taken. Safe to drop: a frame is
    /// never lost between the queue and the answer.
    pub(super) async fn next_to_send(&self) -> Option<Bytes> {
        let mut one = Vec::with_capacity(1);
        loop {
            match self.take(&mut one, 0) {
                Taken::Frames => return one.pop(),
                Taken::Finished => return None,
                Taken::Nothing => tokio::select! {
                    () = self.filled() => {}
                    () = self.inbox.closed() => self.close(),
                },
            }
        }
    }

    /// Hands a frame to the owner, waiting for room. If the owner listens no more, this never completes, and
    /// [`Endpoint::given_up`] does.
    pub(super) async fn deliver(&self, frame: Bytes) {
        if !self.has_room_for(frame.len()) {
            // Waiting until all is taken is cruder than counting each frame, and bounds the bytes as well.
            drop(self.inbox.reserve_many(self.inbox.max_capacity()).await);
            self.undelivered.store(0, Ordering::Relaxed);
        }
        self.undelivered.fetch_add(frame.len(), Ordering::Relaxed);
        if self.inbox.send(frame).await.is_err() {
            future::pending::<()>().await;
        }
    }

    /// Hands a frame to the owner if there is room.
    pub(super) fn try_deliver(&self, frame: Bytes) -> Result<(), SendError> {
        let (bytes, limit) = (frame.len(), self.limits.frame_bytes_max);
        if bytes > limit {
            return Err(SendError::TooLarge { bytes, limit });
        }
        if !self.has_room_for(bytes) {
            return Err(SendError::Full);
        }
        self.inbox.try_send(frame).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => SendError::Full,
            mpsc::error::TrySendError::Closed(_) => SendError::Closed,
        })?;
        self.undelivered.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Ends the link gently: what is queued can still be taken.
    pub(super) fn close(&self) {
        self.lanes.close();
    }

    /// Completes when the owner has ended the link and `linger` has passed since, or when it has ended it at once.
    pub(super) async fn given_up(&self) {
        tokio::select! {
            () = self.lanes.closed() => {}
            () = self.inbox.closed() => self.close(),
        }
        tokio::select! {
            () = self.lanes.killed() => {}
            () = time::sleep(self.limits.linger) => {}
        }
    }

    /// What this link may hold.
    pub(super) fn limits(&self) -> &LinkLimits {
        &self.limits
    }

    fn has_room_for(&self, bytes: usize) -> bool {
        if self.inbox.capacity() == self.inbox.max_capacity() {
            self.undelivered.store(0, Ordering::Relaxed);
            return true;
        }
        self.undelivered.load(Ordering::Relaxed) + bytes <= self.limits.incoming_bytes_max
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.lanes.kill();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> LinkLimits {
        LinkLimits { incoming_bytes_max: 10, incoming_frames_max: 4, ..LinkLimits::default() }
    }

    #[tokio::test]
    async fn received_bytes_are_bounded_and_taking_makes_room() {
        let (mut link, endpoint) = Link::new([1; 16], "here".into(), &small());
        let frame = Bytes::from_static(&[0; 6]);
        endpoint.try_deliver(frame.clone()).unwrap();
        assert_eq!(endpoint.try_deliver(frame.clone()), Err(SendError::Full));
        link.incoming.recv().await.unwrap();
        endpoint.try_deliver(frame).unwrap();
    }

    #[tokio::test]
    async fn a_frame_above_the_byte_limit_is_let_through_when_nothing_else_waits() {
        let (mut link, endpoint) = Link::new([1; 16], "here".into(), &small());
        endpoint.deliver(Bytes::from_static(&[0; 50])).await;
        assert_eq!(link.incoming.recv().await.unwrap().len(), 50);
    }

    #[tokio::test]
    async fn a_waiting_delivery_goes_on_when_the_owner_takes() {
        let (mut link, endpoint) = Link::new([1; 16], "here".into(), &small());
        let deliver = async {
            for _ in 0..20 {
                endpoint.deliver(Bytes::from_static(&[0; 6])).await;
            }
        };
        let take = async {
            for _ in 0..20 {
                link.incoming.recv().await.unwrap();
            }
        };
        tokio::join!(deliver, take);
    }

    #[tokio::test]
    async fn dropping_the_last_sender_ends_the_link_after_what_was_queued() {
        let (link, endpoint) = Link::new([1; 16], "here".into(), &small());
        let clone = link.sender.clone();
        drop(link.sender);
        clone.try_send(Lane::Bulk, "last words".into()).unwrap();
        drop(clone);
        assert_eq!(endpoint.next_to_send().await.unwrap(), "last words");
        assert_eq!(endpoint.next_to_send().await, None);
    }

    #[tokio::test]
    async fn a_link_is_idle_when_the_transport_has_sent_all_and_asks_for_more() {
        let (link, endpoint) = Link::new([1; 16], "here".into(), &small());
        let idle = Arc::new(Idle::default());
        link.sender.tell_idle(idle.clone());
        assert!(link.sender.is_idle());
        link.sender.try_send(Lane::Bulk, "one".into()).unwrap();
        assert!(!link.sender.is_idle(), "queued");
        endpoint.next_to_send().await.unwrap();
        assert!(!link.sender.is_idle(), "taken, and perhaps not on the wire");
        idle.want();
        tokio::select! {
            biased;
            _ = endpoint.next_to_send() => panic!("nothing is queued"),
            () = idle.told() => {}
        }
        assert!(link.sender.is_idle());
    }

    #[tokio::test]
    async fn dropping_the_transports_half_ends_the_link() {
        let (mut link, endpoint) = Link::new([1; 16], "here".into(), &small());
        drop(endpoint);
        assert_eq!(link.incoming.recv().await, None);
        assert_eq!(link.sender.try_send(Lane::Urgent, Bytes::new()), Err(SendError::Closed));
    }

    #[test]
    fn limits_that_cannot_work_are_refused() {
        LinkLimits::default().validate().unwrap();
        for limits in [
            LinkLimits { frame_bytes_max: 0, ..LinkLimits::default() },
            LinkLimits { queue_bytes_max: 1, ..LinkLimits::default() },
            LinkLimits { backlog_bytes_max: 0, ..LinkLimits::default() },
            LinkLimits { queue_frames_max: 0, ..LinkLimits::default() },
            LinkLimits { incoming_frames_max: usize::MAX, ..LinkLimits::default() },
        ] {
            assert!(limits.validate().is_err(), "{limits:?}");
        }
    }
}
