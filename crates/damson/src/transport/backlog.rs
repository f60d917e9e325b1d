//! How many of a node's links are behind: they have more waiting than they should, so whoever writes there waits, too.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

/// Counts the links that are behind, from [`LinkLimits::backlog_bytes_max`](super::LinkLimits::backlog_bytes_max) on until
/// they have half of it. One that stays behind for long is passed over: a slow peer must not hold up all who write.
#[derive(Debug, Default)]
pub struct Backlog {
    links: watch::Sender<usize>,
}

/// A link's own part in it.
#[derive(Debug, Default)]
pub(super) struct Behind {
    since: Option<Instant>,
    counted: bool,
}

impl Backlog {
    /// Is any link behind?
    pub fn is_any(&self) -> bool {
        *self.links.borrow() > 0
    }

    /// Waits until a link is behind.
    pub async fn some(&self) {
        self.reached(|links| links > 0).await;
    }

    /// Waits until none is.
    pub async fn none(&self) {
        self.reached(|links| links == 0).await;
    }

    async fn reached(&self, is: impl Fn(usize) -> bool) {
        // An error would mean that the sender is gone, and we hold it.
        let _ = self.links.subscribe().wait_for(|links| is(*links)).await;
    }
}

impl Behind {
    /// The link has fallen behind.
    pub(super) fn begin(&mut self, backlog: &Backlog) {
        if self.since.is_none() {
            *self = Self { since: Some(Instant::now()), counted: true };
            backlog.links.send_modify(|links| *links += 1);
        }
    }

    /// It is not any more.
    pub(super) fn end(&mut self, backlog: &Backlog) {
        self.discount(backlog);
        self.since = None;
    }

    /// Nobody is to wait for it any more if it has been behind for so long already. Is that so since now?
    pub(super) fn pass_over(&mut self, after: Duration, backlog: &Backlog) -> bool {
        self.since.is_some_and(|since| since.elapsed() >= after) && self.discount(backlog)
    }

    fn discount(&mut self, backlog: &Backlog) -> bool {
        let counted = std::mem::take(&mut self.counted);
        if counted {
            backlog.links.send_modify(|links| *links -= 1);
        }
        counted
    }
}
