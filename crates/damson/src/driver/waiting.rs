//! Waits of callers, without a lock held or a thread blocked.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use damson_core::node::{Effect, Node as Core, WaitError, Waited};
use damson_core::time::Now;
use tokio::sync::oneshot;

use super::Driver;

/// A wait that is under way. It ends when this is dropped.
pub(crate) struct Waiting {
    driver: Arc<Driver>,
    wait: u64,
    end: oneshot::Receiver<Waited>,
}

impl Driver {
    /// Begins a wait. `None` when the node has stopped.
    pub fn wait(
        self: &Arc<Self>,
        begin: impl FnOnce(&mut Core, Now, &mut Vec<Effect>) -> Result<u64, WaitError>,
    ) -> Result<Option<Waiting>, WaitError> {
        let mut state = self.state.lock();
        if state.stopped {
            return Ok(None);
        }
        let mut effects = Vec::new();
        let begun = begin(&mut state.node, self.clock.now(), &mut effects);
        let (waiter, end) = oneshot::channel();
        // Before the effects: it may have ended already.
        if let Ok(wait) = &begun {
            state.waits.insert(*wait, waiter);
        }
        self.carry_out(&mut state, effects);
        Ok(Some(Waiting { driver: self.clone(), wait: begun?, end }))
    }
}

impl Waiting {
    /// The node's number for it.
    pub fn id(&self) -> u64 {
        self.wait
    }
}

/// `None` when the node has stopped.
impl Future for Waiting {
    type Output = Option<Waited>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.end).poll(cx).map(Result::ok)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut state = self.driver.state.lock();
        if state.waits.remove(&self.wait).is_some() {
            state.node.end_wait(self.wait);
        }
    }
}
