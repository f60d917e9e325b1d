//! Who wants to hear of what, without a gap and without a queue that grows.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::Publisher;
use super::published::Inner;

/// Notices that wait for one subscriber.
const NOTICES_MAX: usize = 4_096;

/// What a subscriber is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told<A, N> {
    /// Something has changed.
    Notice(N),
    /// The result anew, in the place of all that was told before: the subscriber was too slow, or the publisher was made anew.
    Again(A),
}

/// A subscription. Ends when this is dropped.
pub struct Subscribed<P: Publisher> {
    pub(super) inner: Arc<Inner<P>>,
    pub(super) subscription: P::Subscription,
    pub(super) queue: Arc<Queue<P::Notice>>,
}

/// Tells subscribers.
pub struct Notices<'a, P: Publisher>(&'a mut BySubscription<P>);

/// All subscriptions.
pub(super) struct Subscriptions<P: Publisher>(Mutex<Kept<P>>);

struct Kept<P: Publisher> {
    all: BySubscription<P>,
    /// While the implementation tells they are with it, so that nobody else waits for it.
    are_lent: bool,
    /// One was dropped meanwhile.
    any_dropped: bool,
}

/// Those that are with the implementation, until it has told, or has panicked.
struct Lent<'a, P: Publisher> {
    all: BySubscription<P>,
    from: &'a Subscriptions<P>,
}

type BySubscription<P> = BTreeMap<<P as Publisher>::Subscription, Vec<Weak<Queue<<P as Publisher>::Notice>>>>;

pub(super) struct Queue<N> {
    waiting: Mutex<Waiting<N>>,
    changed: Notify,
}

struct Waiting<N> {
    notices: VecDeque<N>,
    again: bool,
}

impl<P: Publisher> Default for Subscriptions<P> {
    fn default() -> Self {
        Self(Mutex::new(Kept { all: BTreeMap::new(), are_lent: false, any_dropped: false }))
    }
}

impl<P: Publisher> Kept<P> {
    /// Forgets those of a subscription that were dropped.
    fn sweep(&mut self, subscription: &P::Subscription) {
        let Some(queues) = self.all.get_mut(subscription) else { return };
        if !sweep(queues) {
            self.all.remove(subscription);
        }
    }
}

/// Takes out those that were dropped. Are there others?
fn sweep<N>(queues: &mut Vec<Weak<Queue<N>>>) -> bool {
    queues.retain(|queue| queue.strong_count() > 0);
    !queues.is_empty()
}

impl<N> Queue<N> {
    fn push(&self, notice: N) {
        let mut waiting = self.waiting.lock();
        if waiting.again {
            return;
        }
        if waiting.notices.len() >= NOTICES_MAX {
            waiting.notices = VecDeque::new();
            waiting.again = true;
        } else {
            waiting.notices.push_back(notice);
        }
        self.changed.notify_one();
    }

    fn begin_again(&self) {
        let mut waiting = self.waiting.lock();
        waiting.notices.clear();
        waiting.again = true;
        self.changed.notify_one();
    }

    /// From here on there is no gap to what is looked at now.
    pub(super) fn is_told(&self) {
        let mut waiting = self.waiting.lock();
        waiting.notices.clear();
        waiting.again = false;
    }
}

impl<P: Publisher> Subscriptions<P> {
    /// One more, of which nothing is to be told before [`Queue::is_told`]. On the publisher's thread only.
    pub fn add(&self, subscription: &P::Subscription) -> Arc<Queue<P::Notice>> {
        let waiting = Mutex::new(Waiting { notices: VecDeque::new(), again: true });
        let queue = Arc::new(Queue { waiting, changed: Notify::new() });
        let mut kept = self.0.lock();
        kept.all.entry(subscription.clone()).or_default().push(Arc::downgrade(&queue));
        queue
    }

    /// Lets notices be told.
    pub fn tell(&self, tell: impl FnOnce(&mut Notices<'_, P>)) {
        let mut kept = self.0.lock();
        kept.are_lent = true;
        let mut lent = Lent { all: std::mem::take(&mut kept.all), from: self };
        drop(kept);
        tell(&mut Notices(&mut lent.all));
    }

    /// Everybody is to be told the result again.
    pub fn begin_again(&self) {
        self.0.lock().all.values().flatten().filter_map(Weak::upgrade).for_each(|queue| queue.begin_again());
    }

    /// One was dropped.
    fn dropped(&self, subscription: &P::Subscription) {
        let mut kept = self.0.lock();
        if kept.are_lent {
            kept.any_dropped = true;
        } else {
            kept.sweep(subscription);
        }
    }
}

impl<P: Publisher> Drop for Lent<'_, P> {
    fn drop(&mut self) {
        let mut kept = self.from.0.lock();
        kept.all = std::mem::take(&mut self.all);
        kept.are_lent = false;
        if std::mem::take(&mut kept.any_dropped) {
            kept.all.retain(|_, queues| sweep(queues));
        }
    }
}

impl<P: Publisher> Notices<'_, P> {
    /// What somebody has subscribed to.
    pub fn subscriptions(&self) -> impl Iterator<Item = &P::Subscription> {
        self.0.keys()
    }

    /// Tells all who have subscribed to this.
    pub fn notify(&mut self, subscription: &P::Subscription, notice: &P::Notice) {
        let queues = self.0.get(subscription).into_iter().flatten().filter_map(Weak::upgrade);
        queues.for_each(|queue| queue.push(notice.clone()));
    }
}

impl<P: Publisher> Subscribed<P> {
    /// The next that is told; `None` when the publisher or the node has ended.
    pub async fn next(&mut self) -> Option<Told<P::Answer, P::Notice>> {
        loop {
            let again = {
                let mut waiting = self.queue.waiting.lock();
                if let Some(notice) = waiting.notices.pop_front() {
                    return Some(Told::Notice(notice));
                }
                waiting.again
            };
            if again {
                let told = self.inner.answer(&self.subscription, &self.queue).await;
                return told.ok().map(Told::Again);
            }
            tokio::select! {
                () = self.queue.changed.notified() => {}
                () = self.inner.end() => return None,
            }
        }
    }
}

impl<P: Publisher> Drop for Subscribed<P> {
    fn drop(&mut self) {
        self.queue = Arc::new(Queue {
            waiting: Mutex::new(Waiting { notices: VecDeque::new(), again: false }),
            changed: Notify::new(),
        });
        self.inner.subscriptions.dropped(&self.subscription);
    }
}
