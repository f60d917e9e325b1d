//! Exchanges that run: handlers' begun by themselves now and then, and all of them listed and cancelled.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use damson_core::crdt::NodeId;
use damson_core::node::Node as Core;
use damson_core::scope::ScopeName;
use parking_lot::Mutex;
use rand_core::Rng;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::{Request, Running, sessions};
use crate::clock::{about, entropy};
use crate::driver::Driver;
use crate::node::Node;

/// The shortest pause between exchanges that a handler can ask for.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// Names an exchange on the node that lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeRef(pub u64);

/// An exchange that runs, as one of its two ends lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Whose it is: a handler of users, or [`REPLICA`](super::REPLICA), which is anti-entropy.
    pub handler: String,
    /// With whom.
    pub peer: NodeId,
    /// What is compared and brought, where that is known: a session of anti-entropy is about one scope.
    pub scope: Option<ScopeName>,
    /// Which end asked for it.
    pub begun_by: BegunBy,
    /// Its name.
    pub reference: ExchangeRef,
    /// How long it has run, in milliseconds.
    pub since_ms: u64,
}

/// Who asked for an exchange. Those of users' handlers are listed by who did; sessions of anti-entropy by both ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BegunBy {
    /// The node that lists it.
    Node,
    /// The peer.
    Peer,
}

/// Which exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// All.
    All,
    /// Those with this member.
    Peer(NodeId),
    /// Those of the handler of this name.
    Handler(String),
    /// This one.
    One(ExchangeRef),
}

/// The exchanges that handlers of this node have begun and that run.
#[derive(Default)]
pub(crate) struct Exchanges(Arc<Mutex<Table>>);

#[derive(Default)]
struct Table {
    last: u64,
    running: BTreeMap<ExchangeRef, Entry>,
}

struct Entry {
    handler: String,
    peer: NodeId,
    began: Instant,
    /// Absent until it has begun.
    task: Option<AbortHandle>,
}

/// Takes an exchange from the table when it ends, however that is.
struct Ends(Arc<Mutex<Table>>, ExchangeRef);

impl Node {
    /// The exchanges of this node that run: those that its handlers have begun, and the sessions of anti-entropy, whoever
    /// asked for them.
    pub fn exchanges(&self) -> Vec<Exchange> {
        all(self.driver())
    }

    /// Ends exchanges of this node early, and returns them. Those that have ended meanwhile are not among them. A session of
    /// anti-entropy that ends early leaves the state as it was, at both ends; the next round begins anew.
    pub fn cancel_exchanges(&self, which: &Selector) -> Vec<Exchange> {
        let mut cancelled = self.driver().exchanges().cancel(which);
        for exchange in &cancelled {
            self.driver().handlers().count(&exchange.handler, |counters| counters.exchanges_cancelled += 1);
        }
        cancelled.extend(self.driver().change(|node, now, fx| {
            let mut selected = sessions::selected(node, now, which);
            selected.retain(|(number, _)| node.cancel_sync(*number, now, fx));
            selected.into_iter().map(|(_, exchange)| exchange).collect::<Vec<_>>()
        }));
        cancelled
    }
}

/// All that run, handlers' first.
pub(super) fn all(driver: &Driver) -> Vec<Exchange> {
    let mut all = driver.exchanges().list(|_| true);
    all.extend(driver.look(sessions::running));
    all
}

impl ExchangeRef {
    /// Handlers' and sessions' are numbered apart, so the former are odd and the latter even.
    fn of_handler(number: u64) -> Self {
        Self(2 * number - 1)
    }

    pub(super) fn of_session(number: u64) -> Self {
        Self(2 * number)
    }
}

impl Exchanges {
    pub fn list(&self, wanted: impl Fn(&Exchange) -> bool) -> Vec<Exchange> {
        let table = self.0.lock();
        table.running.iter().map(|(reference, entry)| entry.shown(*reference)).filter(wanted).collect()
    }

    pub fn of_handler(&self, name: &str) -> usize {
        self.0.lock().running.values().filter(|entry| entry.handler == name).count()
    }

    /// Runs one.
    pub fn run(
        &self,
        handler: &str,
        peer: NodeId,
        exchange: impl Future<Output = ()> + Send + 'static,
        runtime: &Handle,
    ) {
        let reference = self.enter(handler, peer);
        let ends = Ends(self.0.clone(), reference);
        let task = runtime.spawn(async move {
            let _ends = ends;
            exchange.await;
        });
        match self.0.lock().running.get_mut(&reference) {
            Some(entry) => entry.task = Some(task.abort_handle()),
            // It has ended already, or was cancelled.
            None => task.abort(),
        }
    }

    fn enter(&self, handler: &str, peer: NodeId) -> ExchangeRef {
        let mut table = self.0.lock();
        table.last += 1;
        let reference = ExchangeRef::of_handler(table.last);
        let entry = Entry { handler: handler.to_string(), peer, began: Instant::now(), task: None };
        table.running.insert(reference, entry);
        reference
    }

    fn cancel(&self, which: &Selector) -> Vec<Exchange> {
        let mut cancelled = self.list(|exchange| which.names(exchange));
        let mut tasks = Vec::new();
        cancelled.retain(|exchange| {
            let entry = self.0.lock().running.remove(&exchange.reference);
            tasks.extend(entry.as_ref().and_then(|entry| entry.task.clone()));
            entry.is_some()
        });
        // Without the lock: what ends takes itself from the table.
        tasks.iter().for_each(AbortHandle::abort);
        cancelled
    }
}

impl Entry {
    fn shown(&self, reference: ExchangeRef) -> Exchange {
        let since_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        let (handler, peer) = (self.handler.clone(), self.peer);
        Exchange { handler, peer, scope: None, begun_by: BegunBy::Node, reference, since_ms }
    }
}

impl Selector {
    pub(super) fn names(&self, exchange: &Exchange) -> bool {
        match self {
            Self::All => true,
            Self::Peer(peer) => exchange.peer == *peer,
            Self::Handler(handler) => exchange.handler == *handler,
            Self::One(reference) => exchange.reference == *reference,
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.lock().running.remove(&self.1);
    }
}

/// Has a handler begin an exchange now and then, as long as the node runs.
pub(super) async fn keep_exchanging(driver: Arc<Driver>, running: Arc<Running>) {
    let mut stopping = driver.stopping();
    let mut rng = entropy();
    loop {
        let pause = about(running.settings.interval).max(PAUSE_MIN);
        tokio::select! {
            () = sleep(pause) => {}
            _ = stopping.wait_for(|stop| *stop) => break,
        }
        let peers = driver.look(|node, _| candidates(node));
        if !peers.is_empty() {
            let at = usize::try_from(rng.next_u64() % peers.len() as u64).expect("an index");
            // One that is too busy will be asked again.
            let _ = running.requests.try_send(Request::Exchange { peer: peers[at] });
        }
    }
    driver.exchanges().cancel(&Selector::Handler(running.name.clone()));
}

/// Whom an exchange may be with: members that broadcasts do not come from or go to directly, before others.
fn candidates(node: &Core) -> Vec<NodeId> {
    let others = || {
        let present = node.roster().iter().filter(|member| member.state.is_present());
        present.map(|member| member.id).filter(|id| *id != node.id())
    };
    let near = node.active_view();
    let children = node.broadcast().children(node.id());
    let outside: Vec<NodeId> = others().filter(|id| !near.contains(id)).collect();
    let lazy: Vec<NodeId> = others().filter(|id| !children.contains(id)).collect();
    [outside, lazy].into_iter().find(|some| !some.is_empty()).unwrap_or_else(|| others().collect())
}
