//! A handler at work: one thread, one event after the other, and another handler after a panic.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use damson_core::crdt::{Actor, Life, NodeId};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};

use super::grafts::{self, Given, Gone};
use super::{
    BroadcastHandler, ExchangePeer, ExchangeStart, Graft, HandlerCounters, MessageId, Request, Running,
    exchange_service, unpack,
};
use crate::casts::{Heard, Listening};
use crate::driver::Driver;
use crate::supervise::Guarded;

/// Messages of which the id is remembered, for those who lost them.
const IDS_MAX: usize = 8_192;
/// Messages that are asked for at once. Others are lost.
const GRAFT_MAX: u64 = 256;
/// What is given at once, in bytes.
const GIVEN_BYTES_MAX: usize = 512 << 10;
/// Pieces that are asked for at the same time.
const FETCHES_MAX: usize = 8;

struct Runner<H> {
    handler: Guarded<H>,
    driver: Arc<Driver>,
    running: Arc<Running>,
    runtime: Handle,
    own: Actor,
    fetching: Arc<Semaphore>,
    ids: BTreeMap<(Actor, u64), MessageId>,
    order: VecDeque<(Actor, u64)>,
}

enum Event {
    Heard(Heard),
    Request(Request),
}

/// Starts the thread. It ends with the node.
pub(super) fn start<H: BroadcastHandler>(
    make: Box<dyn FnMut() -> H + Send>,
    driver: &Arc<Driver>,
    running: &Arc<Running>,
    mut listening: Listening,
    mut requests: mpsc::Receiver<Request>,
) -> io::Result<()> {
    let mut runner = Runner {
        handler: Guarded::new(make),
        driver: driver.clone(),
        running: running.clone(),
        runtime: Handle::current(),
        own: driver.look(|node, _| node.cast_process()),
        fetching: Arc::new(Semaphore::new(FETCHES_MAX)),
        ids: BTreeMap::new(),
        order: VecDeque::new(),
    };
    let name = format!("damson {}", running.name);
    std::thread::Builder::new().name(name).spawn(move || {
        let runtime = runner.runtime.clone();
        // The handler's code runs outside of the runtime, where it may block as it likes.
        while let Some(event) = runtime.block_on(next(&mut listening, &mut requests)) {
            runner.on(event);
        }
    })?;
    Ok(())
}

async fn next(listening: &mut Listening, requests: &mut mpsc::Receiver<Request>) -> Option<Event> {
    tokio::select! {
        biased;
        Some(request) = requests.recv() => Some(Event::Request(request)),
        heard = listening.next() => heard.map(Event::Heard),
    }
}

impl<H: BroadcastHandler> Runner<H> {
    fn on(&mut self, event: Event) {
        match event {
            Event::Heard(Heard::Cast { from, number, body }) => self.on_message(from, number, &body),
            Event::Heard(Heard::Gone { from, first, last }) => self.on_gone(from, first, last),
            Event::Heard(Heard::Lost { messages, .. }) => self.count(|counters| counters.lost += messages),
            Event::Request(Request::Pack { message, done }) => {
                let _ = done.send(self.guarded(|handler| handler.broadcast_data(message)));
            }
            Event::Request(Request::Graft { of, done }) => {
                let _ = done.send(self.give(of));
            }
            Event::Request(Request::Take { of, given }) => self.take(of, given),
            Event::Request(Request::Exchange { peer }) => self.begin_exchange(peer),
        }
    }

    fn on_message(&mut self, from: Actor, number: u64, body: &Bytes) {
        let Some((id, payload)) = unpack(body) else {
            self.count(|counters| counters.malformed += 1);
            return;
        };
        self.remember((from, number), id.clone());
        if from != self.own {
            self.merge(&id, payload);
        }
    }

    fn merge(&mut self, id: &MessageId, payload: Bytes) {
        let merged = self.guarded(|handler| (!handler.is_stale(id)).then(|| handler.merge(id, payload)));
        self.count(|counters| match merged {
            Some(Some(true)) => counters.merged += 1,
            Some(Some(false)) => counters.known += 1,
            Some(None) => counters.stale += 1,
            None => {}
        });
    }

    fn on_gone(&mut self, from: Actor, first: u64, last: u64) {
        let asked = Gone {
            node: from.node,
            boot: from.life.0,
            first: first.max(last.saturating_sub(GRAFT_MAX - 1)),
            last,
        };
        self.count(|counters| counters.lost += asked.first - first);
        let Ok(permit) = self.fetching.clone().try_acquire_owned() else {
            self.count(|counters| counters.lost += asked.len());
            return;
        };
        let fetch = grafts::fetch(self.driver.clone(), self.running.clone(), asked);
        self.runtime.spawn(async move {
            fetch.await;
            drop(permit);
        });
    }

    fn give(&mut self, of: Gone) -> Vec<Given> {
        let from = Actor::new(of.node, Life(of.boot));
        let last = of.last.min(of.first.saturating_add(GRAFT_MAX - 1));
        let known: Vec<(u64, MessageId)> = (of.first..=last)
            .filter_map(|number| Some((number, self.ids.get(&(from, number))?.clone())))
            .collect();
        let (mut given, mut bytes) = (Vec::new(), 0);
        for (number, id) in known {
            let payload = match self.guarded(|handler| handler.graft(&id)) {
                Some(Graft::Payload(payload)) => Some(Vec::from(payload)),
                Some(Graft::Stale) => None,
                Some(Graft::Failed(_)) | None => continue,
            };
            bytes += id.len() + payload.as_ref().map_or(0, Vec::len);
            if bytes > GIVEN_BYTES_MAX {
                break;
            }
            given.push(Given { number, id: id.into(), payload });
        }
        given
    }

    fn take(&mut self, of: Gone, given: Vec<Given>) {
        let from = Actor::new(of.node, Life(of.boot));
        self.count(|counters| counters.lost += of.len() - given.len() as u64);
        for Given { number, id, payload } in given {
            let id = MessageId::from(id);
            self.remember((from, number), id.clone());
            match payload {
                Some(payload) => {
                    self.count(|counters| counters.grafted += 1);
                    self.merge(&id, payload.into());
                }
                None => self.count(|counters| counters.stale += 1),
            }
        }
    }

    fn begin_exchange(&mut self, member: NodeId) {
        let exchanges = self.driver.exchanges();
        if exchanges.of_handler(&self.running.name) >= self.running.settings.exchanges_max {
            return;
        }
        let (driver, service) = (self.driver.clone(), exchange_service(&self.running.name));
        let peer = ExchangePeer { driver, service, member };
        match self.guarded(|handler| handler.exchange(peer)) {
            Some(ExchangeStart::Runs(exchange)) => {
                self.count(|counters| counters.exchanges += 1);
                let running = self.running.clone();
                let exchange = async move {
                    if exchange.await.is_err() {
                        running.counters.lock().exchanges_failed += 1;
                    }
                };
                self.driver.exchanges().run(&self.running.name, member, exchange, &self.runtime);
            }
            Some(ExchangeStart::Failed(reason)) => {
                tracing::debug!(handler = self.running.name, %member, reason, "no exchange");
                self.count(|counters| counters.exchanges_failed += 1);
            }
            Some(ExchangeStart::Ignored) | None => {}
        }
    }

    /// Calls the handler. `None` when it panicked: it is made anew when it is needed next.
    fn guarded<T>(&mut self, call: impl FnOnce(&mut H) -> T) -> Option<T> {
        let value = self.handler.call(call);
        if value.is_none() {
            tracing::error!(handler = self.running.name, "a broadcast handler panicked: it is made anew");
            self.count(|counters| counters.panics += 1);
        }
        value
    }

    fn remember(&mut self, number: (Actor, u64), id: MessageId) {
        if self.ids.insert(number, id).is_none() {
            self.order.push_back(number);
        }
        if self.order.len() > IDS_MAX {
            self.order.pop_front().and_then(|oldest| self.ids.remove(&oldest));
        }
    }

    fn count(&self, count: impl FnOnce(&mut HandlerCounters)) {
        count(&mut self.running.counters.lock());
    }
}
