//! Broadcast with a handler: messages that have names, are merged by code of the application, and repaired by it.
//!
//! A [`BroadcastHandler`] names and packs what a node broadcasts, takes in what others do, and repairs by *exchanges* with
//! other members what broadcasts missed. The node itself spreads messages and counts them: what is new goes on to others
//! before a handler sees it, and whether there is one. So a handler that is missing, slow or panics harms nobody else.
//!
//! Each handler runs on a thread of its own. After a panic it is made anew.

mod exchanges;
mod grafts;
mod inspection;
mod running;
mod sessions;
mod starting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use damson_core::casts::Tag;
use damson_core::crdt::NodeId;
use damson_core::node::CallError;
use parking_lot::Mutex;
use tokio::sync::{mpsc, oneshot};

use crate::casts::CastError;
use crate::driver::Driver;
use crate::node::Node;
use crate::transport::BoxFuture;

pub use exchanges::{BegunBy, Exchange, ExchangeRef, Selector};
pub use inspection::Outstanding;
pub use sessions::REPLICA;
pub use starting::{HandlerBuilder, HandlerError};

pub(crate) use exchanges::Exchanges;
pub(crate) use inspection::offer as offer_inspection;

use grafts::{Given, Gone};
use starting::Settings;

/// The longest id of a message, in bytes.
pub const ID_BYTES_MAX: usize = 1_024;
/// Requests that may wait for a handler.
const REQUESTS_MAX: usize = 64;

/// What a handler calls a message.
pub type MessageId = Bytes;

/// Takes part in broadcasts under a name. All its functions are called one after the other, on a thread of its own.
pub trait BroadcastHandler: Send + 'static {
    /// Names and packs a message of this node; others get both. An id has at most [`ID_BYTES_MAX`].
    fn broadcast_data(&mut self, message: Bytes) -> (MessageId, Bytes);

    /// Takes in a message of another node. Says whether it was new, which is counted.
    fn merge(&mut self, id: &MessageId, payload: Bytes) -> bool;

    /// Is a message known, or out of date? Then it is not merged. Asked before each merge.
    fn is_stale(&mut self, id: &MessageId) -> bool;

    /// Gives a message of which another member says that nobody else has it any more.
    fn graft(&mut self, id: &MessageId) -> Graft;

    /// Begins to compare with a member; what it returns runs beside the handler.
    fn exchange(&mut self, peer: ExchangePeer) -> ExchangeStart;
}

/// A handler's answer to a request for a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Graft {
    /// It is out of date: nobody needs it.
    Stale,
    /// What it says.
    Payload(Bytes),
    /// It cannot be had, and why.
    Failed(String),
}

/// How an exchange begins.
pub enum ExchangeStart {
    /// This does it. It ends early when it is cancelled, and may end with the reason of its failure.
    Runs(BoxFuture<'static, Result<(), String>>),
    /// There is nothing to compare.
    Ignored,
    /// It could not begin, and why.
    Failed(String),
}

/// The other end of an exchange.
#[derive(Clone)]
pub struct ExchangePeer {
    driver: Arc<Driver>,
    service: String,
    member: NodeId,
}

/// A broadcast that was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BroadcastError {
    /// No handler of this name runs on this node.
    #[error("no handler named {name:?} runs on this node")]
    NoHandler {
        /// The name.
        name: String,
    },
    /// Too much waits for the handler.
    #[error("{limit} requests wait for the handler already")]
    Busy {
        /// As many may wait.
        limit: usize,
    },
    /// The handler panicked when it was to name and pack the message. It was made anew.
    #[error("the handler panicked")]
    Panicked,
    /// The handler named the message with too long an id.
    #[error("an id of {got} bytes, the limit is {limit}", limit = ID_BYTES_MAX)]
    Id {
        /// Its length in bytes.
        got: usize,
    },
    /// The message could not be sent.
    #[error(transparent)]
    Cast(#[from] CastError),
}

/// What happened with a handler, counted since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HandlerCounters {
    /// Messages that it merged and called new.
    pub merged: u64,
    /// Messages that it merged and called known.
    pub known: u64,
    /// Messages that were stale before a merge.
    pub stale: u64,
    /// Messages that nobody could spread any more, and that another handler gave.
    pub grafted: u64,
    /// Messages that it was not told: nobody had them, or too much waited for it.
    pub lost: u64,
    /// Messages that are not of a handler.
    pub malformed: u64,
    /// Its panics. The message, or the request, was dropped.
    pub panics: u64,
    /// Exchanges begun by this node.
    pub exchanges: u64,
    /// Exchanges that failed, or could not begin.
    pub exchanges_failed: u64,
    /// Exchanges that were cancelled.
    pub exchanges_cancelled: u64,
}

/// The handlers of a node.
#[derive(Default)]
pub(crate) struct Handlers(Mutex<BTreeMap<String, Arc<Running>>>);

/// A handler that runs, as others see it.
struct Running {
    name: String,
    tag: Tag,
    requests: mpsc::Sender<Request>,
    counters: Mutex<HandlerCounters>,
    settings: Settings,
}

/// What is asked of a handler. Whoever asked may have gone.
enum Request {
    Pack { message: Bytes, done: oneshot::Sender<Option<(MessageId, Bytes)>> },
    Graft { of: Gone, done: oneshot::Sender<Vec<Given>> },
    Take { of: Gone, given: Vec<Given> },
    Exchange { peer: NodeId },
}

impl Node {
    /// Broadcasts a message to the handlers of this name on all other nodes, through the one here. While links are behind it
    /// waits, as writes do.
    ///
    /// # Errors
    /// [`BroadcastError`]: nothing was sent then.
    pub async fn broadcast(&self, handler: &str, message: Bytes) -> Result<(), BroadcastError> {
        let running = self.driver().handlers().get(handler);
        let running = running.ok_or_else(|| BroadcastError::NoHandler { name: handler.to_string() })?;
        let (done, packed) = oneshot::channel();
        let request = Request::Pack { message, done };
        running.requests.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => BroadcastError::Busy { limit: REQUESTS_MAX },
            mpsc::error::TrySendError::Closed(_) => CastError::Stopped.into(),
        })?;
        let (id, payload) = packed.await.map_err(|_| CastError::Stopped)?.ok_or(BroadcastError::Panicked)?;
        if id.len() > ID_BYTES_MAX {
            return Err(BroadcastError::Id { got: id.len() });
        }
        self.driver().cast(&running.tag, pack(&id, &payload)).await?;
        Ok(())
    }

    /// What happened with the handlers of this node, by their names.
    pub fn broadcast_handlers(&self) -> BTreeMap<String, HandlerCounters> {
        let all = self.driver().handlers().0.lock();
        all.iter().map(|(name, running)| (name.clone(), *running.counters.lock())).collect()
    }
}

impl ExchangePeer {
    /// Which member.
    pub fn member(&self) -> NodeId {
        self.member
    }

    /// Asks the handler there, as its [`HandlerBuilder::answer`] says.
    ///
    /// # Errors
    /// [`CallError`]; [`CallError::NotOffered`] when it has none.
    pub async fn ask(&self, body: impl Into<Bytes>, time_out: Duration) -> Result<Bytes, CallError> {
        self.driver.call(self.member, &self.service, body.into(), time_out).await
    }
}

impl Handlers {
    fn get(&self, name: &str) -> Option<Arc<Running>> {
        self.0.lock().get(name).cloned()
    }

    /// Counts something of the handler of this name.
    fn count(&self, name: &str, count: impl FnOnce(&mut HandlerCounters)) {
        if let Some(running) = self.get(name) {
            count(&mut running.counters.lock());
        }
    }

    /// False when the name is taken.
    fn add(&self, running: &Arc<Running>) -> bool {
        let mut all = self.0.lock();
        let free = !all.contains_key(&running.name);
        if free {
            all.insert(running.name.clone(), running.clone());
        }
        free
    }
}

fn exchange_service(name: &str) -> String {
    format!("x:{name}")
}

/// The id's length, the id, the payload.
fn pack(id: &MessageId, payload: &Bytes) -> Bytes {
    let mut out = BytesMut::with_capacity(4 + id.len() + payload.len());
    out.put_u32(u32::try_from(id.len()).expect("an id within its limit"));
    out.put_slice(id);
    out.put_slice(payload);
    out.freeze()
}

fn unpack(body: &Bytes) -> Option<(MessageId, Bytes)> {
    let len = body.first_chunk::<4>().map(|len| u32::from_be_bytes(*len))?;
    let len = usize::try_from(len).ok().filter(|len| *len <= ID_BYTES_MAX)?;
    let id = body.get(4..4 + len).map(|id| body.slice_ref(id))?;
    Some((id, body.slice(4 + len..)))
}
