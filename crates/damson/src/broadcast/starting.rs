//! How a handler begins.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use damson_core::crdt::NodeId;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::{BroadcastHandler, REQUESTS_MAX, Running, exchange_service, exchanges, grafts, running};
use crate::casts::{self, InboxLimits, Listening, NameError};
use crate::driver::{Driver, Service};
use crate::node::Node;

/// A handler before it runs. Made by [`Node::broadcast_handler`].
pub struct HandlerBuilder<H> {
    driver: Arc<Driver>,
    name: String,
    make: Box<dyn FnMut() -> H + Send>,
    settings: Settings,
    answer: Option<Service>,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Settings {
    pub interval: Duration,
    pub exchanges_max: usize,
    pub inbox: InboxLimits,
}

/// A handler that could not be started. Nothing runs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandlerError {
    /// The text is no name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Names that begin with `~` belong to the system.
    #[error("names of handlers that begin with ~ belong to the system, got {name:?}")]
    Reserved {
        /// The name.
        name: String,
    },
    /// A handler of this name runs already.
    #[error("a handler named {name:?} runs already")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// The operating system gives no thread.
    #[error("no thread for the handler: {reason}")]
    Thread {
        /// What the system says.
        reason: String,
    },
}

impl Node {
    /// Describes a handler of broadcasts under a name; it begins with [`HandlerBuilder::start`] and runs as long as the node.
    /// `make` is called at the start and again after a panic.
    pub fn broadcast_handler<H: BroadcastHandler>(
        &self,
        name: &str,
        make: impl FnMut() -> H + Send + 'static,
    ) -> HandlerBuilder<H> {
        let interval = Duration::from_secs(10);
        let settings = Settings { interval, exchanges_max: 1, inbox: InboxLimits::default() };
        let (driver, name) = (self.driver().clone(), name.to_string());
        HandlerBuilder { driver, name, make: Box::new(make), settings, answer: None }
    }
}

impl<H: BroadcastHandler> HandlerBuilder<H> {
    /// How often an exchange with a member begins by itself, a quarter more or less. Default 10 s.
    #[must_use]
    pub fn exchange_interval(mut self, interval: Duration) -> Self {
        self.settings.interval = interval;
        self
    }

    /// Exchanges of this handler at once. Default 1; 0 begins none.
    #[must_use]
    pub fn exchanges_max(mut self, max: usize) -> Self {
        self.settings.exchanges_max = max;
        self
    }

    /// What may wait for the handler. What finds no room is counted as lost.
    #[must_use]
    pub fn inbox(mut self, limits: InboxLimits) -> Self {
        self.settings.inbox = limits;
        self
    }

    /// The other end of exchanges: answers what [`ExchangePeer::ask`](super::ExchangePeer::ask) asks. Without it they are not offered here.
    #[must_use]
    pub fn answer<F, A>(mut self, answer: F) -> Self
    where
        F: Fn(NodeId, Bytes) -> A + Send + Sync + 'static,
        A: Future<Output = Result<Bytes, String>> + Send + 'static,
    {
        self.answer = Some(Arc::new(move |member, body| Box::pin(answer(member, body))));
        self
    }

    /// Begins.
    ///
    /// # Errors
    /// [`HandlerError`]; nothing runs then.
    pub async fn start(self) -> Result<(), HandlerError> {
        let Self { driver, name, make, settings, answer } = self;
        let tag = casts::tag('h', "a handler", &name)?;
        if name.starts_with('~') {
            return Err(HandlerError::Reserved { name });
        }
        let (requests, inbox) = mpsc::channel(REQUESTS_MAX);
        let counters = Mutex::default();
        let running = Arc::new(Running { name: name.clone(), tag, requests, counters, settings });
        if !driver.handlers().add(&running) {
            return Err(HandlerError::NameTaken { name });
        }
        let listening = Listening::begin(driver.clone(), running.tag.clone(), settings.inbox);
        if let Err(error) = running::start(make, &driver, &running, listening, inbox) {
            driver.handlers().0.lock().remove(&name);
            return Err(HandlerError::Thread { reason: error.to_string() });
        }
        grafts::offer(&driver, &running);
        if let Some(answer) = answer {
            driver.offer(&exchange_service(&name), answer);
        }
        tokio::spawn(exchanges::keep_exchanging(driver, running));
        Ok(())
    }
}
