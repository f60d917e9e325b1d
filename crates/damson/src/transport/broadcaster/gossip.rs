//! A broadcaster on a raw publish/subscribe bus.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{BroadcastFault, Broadcaster};
use crate::transport::BoxFuture;

/// What is called with each message of a topic. It never blocks. It fails once the broadcaster is closed: the bus may
/// unsubscribe it then.
pub type Handler = Box<dyn Fn(Bytes) -> Result<(), BroadcastFault> + Send + Sync>;

/// A raw publish/subscribe bus.
pub trait PubSub: Send + Sync + 'static {
    /// Publishes to all subscribers of a topic. May block.
    ///
    /// # Errors
    /// When the bus does not take it.
    fn publish_raw(&self, topic: &str, data: Bytes) -> Result<(), BroadcastFault>;

    /// Calls `handler` with each message of a topic from now on, from any thread.
    ///
    /// # Errors
    /// When the bus takes no subscription.
    fn subscribe_raw(&self, topic: &str, handler: Handler) -> Result<(), BroadcastFault>;
}

/// How much a [`GossipBroadcaster`] holds for those who read from it.
#[derive(Debug, Clone)]
pub struct GossipBuffer {
    /// Messages; at least 1. When one more comes the oldest is dropped. Default 100. Nothing is lost for good by it: links send again
    /// what was not acknowledged.
    pub messages_max: usize,
}

/// A [`Broadcaster`] on one topic of a [`PubSub`]. What comes is buffered; when the buffer is full the oldest is dropped and
/// counted. It can be closed at any time, from any thread. No lock is held while the bus is called, or while somebody waits.
pub struct GossipBroadcaster<P> {
    bus: P,
    topic: String,
    inbox: Arc<Inbox>,
}

struct Inbox {
    messages_max: usize,
    buffer: Mutex<Buffer>,
    changed: Notify,
    received: AtomicU64,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Buffer {
    messages: VecDeque<Bytes>,
    closed: bool,
}

impl Default for GossipBuffer {
    fn default() -> Self {
        Self { messages_max: 100 }
    }
}

impl<P: PubSub> GossipBroadcaster<P> {
    /// Subscribes to a topic.
    ///
    /// # Errors
    /// What the bus says; [`BroadcastFault::Failed`] for a buffer without room.
    pub fn new(bus: P, topic: impl Into<String>, limits: GossipBuffer) -> Result<Self, BroadcastFault> {
        let (topic, messages_max) = (topic.into(), limits.messages_max);
        if messages_max == 0 {
            let reason = "messages_max must be at least 1, or nothing would ever arrive".into();
            return Err(BroadcastFault::Failed { reason });
        }
        let inbox = Arc::new(Inbox {
            messages_max,
            buffer: Mutex::default(),
            changed: Notify::new(),
            received: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        });
        // The bus may keep the handler for ever, and the broadcaster may be the bus's: it keeps the inbox only.
        let handler = inbox.clone();
        bus.subscribe_raw(&topic, Box::new(move |data| handler.receive(data)))?;
        Ok(Self { bus, topic, inbox })
    }

    /// Takes a message as the subscription does. Never waits: with a full buffer the oldest message goes.
    ///
    /// # Errors
    /// [`BroadcastFault::Closed`] after [`GossipBroadcaster::close`].
    pub fn receive(&self, data: Bytes) -> Result<(), BroadcastFault> {
        self.inbox.receive(data)
    }

    /// Ends it: who waits in [`Broadcaster::next`] gets `None`, what is buffered is dropped, and nothing is sent any more.
    pub fn close(&self) {
        self.inbox.close();
    }

    /// Messages that came, dropped ones too.
    pub fn received(&self) -> u64 {
        self.inbox.received.load(Ordering::Relaxed)
    }

    /// Messages that were dropped because the buffer was full.
    pub fn dropped(&self) -> u64 {
        self.inbox.dropped.load(Ordering::Relaxed)
    }
}

impl<P: PubSub> Broadcaster for GossipBroadcaster<P> {
    fn broadcast(&self, data: Bytes) -> Result<(), BroadcastFault> {
        if self.inbox.buffer.lock().closed {
            return Err(BroadcastFault::Closed);
        }
        self.bus.publish_raw(&self.topic, data)
    }

    fn next(&self) -> BoxFuture<'_, Option<Bytes>> {
        Box::pin(self.inbox.next())
    }
}

impl<P> Drop for GossipBroadcaster<P> {
    fn drop(&mut self) {
        self.inbox.close();
    }
}

impl Inbox {
    fn receive(&self, data: Bytes) -> Result<(), BroadcastFault> {
        let mut buffer = self.buffer.lock();
        if buffer.closed {
            return Err(BroadcastFault::Closed);
        }
        self.received.fetch_add(1, Ordering::Relaxed);
        if buffer.messages.len() >= self.messages_max {
            buffer.messages.pop_front();
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        buffer.messages.push_back(data);
        drop(buffer);
        self.changed.notify_one();
        Ok(())
    }

    async fn next(&self) -> Option<Bytes> {
        loop {
            // Made before the look, so that a close in between wakes it.
            let changed = self.changed.notified();
            {
                let mut buffer = self.buffer.lock();
                if buffer.closed {
                    return None;
                }
                if let Some(data) = buffer.messages.pop_front() {
                    if !buffer.messages.is_empty() {
                        // Another reader may be waiting for the rest.
                        self.changed.notify_one();
                    }
                    return Some(data);
                }
            }
            changed.await;
        }
    }

    fn close(&self) {
        let mut buffer = self.buffer.lock();
        buffer.closed = true;
        buffer.messages.clear();
        drop(buffer);
        self.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    /// A bus that gives all to its one subscriber.
    #[derive(Default)]
    struct Loopback(Mutex<Option<Handler>>);

    impl PubSub for Arc<Loopback> {
        fn publish_raw(&self, _topic: &str, data: Bytes) -> Result<(), BroadcastFault> {
            self.0.lock().as_ref().map_or(Ok(()), |handler| handler(data))
        }

        fn subscribe_raw(&self, _topic: &str, handler: Handler) -> Result<(), BroadcastFault> {
            *self.0.lock() = Some(handler);
            Ok(())
        }
    }

    fn on(bus: &Arc<Loopback>, messages_max: usize) -> GossipBroadcaster<Arc<Loopback>> {
        GossipBroadcaster::new(bus.clone(), "t", GossipBuffer { messages_max }).unwrap()
    }

    #[tokio::test]
    async fn a_full_buffer_drops_the_oldest_and_counts_it() {
        let broadcaster = on(&Arc::default(), 3);
        (0..5u8).for_each(|n| broadcaster.broadcast(Bytes::from(vec![n])).unwrap());
        assert_eq!((broadcaster.received(), broadcaster.dropped()), (5, 2));
        for n in 2..5 {
            assert_eq!(broadcaster.next().await.unwrap()[..], [n]);
        }
    }

    #[tokio::test]
    async fn after_a_close_all_readers_end_and_nothing_is_taken_or_sent() {
        let bus = Arc::default();
        let broadcaster = Arc::new(on(&bus, 3));
        let readers: Vec<_> = (0..3)
            .map(|_| {
                let broadcaster = broadcaster.clone();
                tokio::spawn(async move { broadcaster.next().await })
            })
            .collect();
        tokio::task::yield_now().await;
        broadcaster.close();
        for reader in readers {
            assert_eq!(timeout(Duration::from_secs(5), reader).await.unwrap().unwrap(), None);
        }
        assert_eq!(broadcaster.next().await, None);
        assert_eq!(broadcaster.receive("late".into()), Err(BroadcastFault::Closed));
        assert_eq!(broadcaster.broadcast("late".into()), Err(BroadcastFault::Closed));
        assert_eq!(bus.publish_raw("t", "late".into()), Err(BroadcastFault::Closed), "the handler fails");
    }

    #[test]
    fn close_receive_and_next_at_once_never_wait_for_one_another() {
        type Ours = GossipBroadcaster<Arc<Loopback>>;
        fn read(broadcaster: &Ours) {
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            runtime.block_on(async { while broadcaster.next().await.is_some() {} });
        }
        fn fill(broadcaster: &Ours) {
            while broadcaster.receive("x".into()).is_ok() {}
        }
        for _ in 0..50 {
            let broadcaster = Arc::new(on(&Arc::default(), 2));
            let threads = [read, read, fill, fill].map(|run| {
                let broadcaster = broadcaster.clone();
                std::thread::spawn(move || run(&broadcaster))
            });
            std::thread::sleep(Duration::from_millis(2));
            broadcaster.close();
            let began = std::time::Instant::now();
            for thread in threads {
                while !thread.is_finished() {
                    assert!(began.elapsed() < Duration::from_secs(10), "one waits for ever");
                    std::thread::sleep(Duration::from_micros(100));
                }
                thread.join().unwrap();
            }
        }
    }
}
