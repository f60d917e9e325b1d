//! Connects a core node to the world: links, disk, clock.
//!
//! The node is one state machine behind one lock. Whoever has an input - a link's reader, the timer, a caller that
//! writes - takes the lock, hands it in, and carries out the effects before the lock is released, so that frames and
//! rows leave in the order in which the node issued them. Nothing is waited for under the lock: frames go into the
//! queues of links, rows into the queue of the disk's thread.
//!
//! A frame that the node has sent counts as delivered while its link is up: trees and announcements rely on it. So a link
//! whose queue is full is closed at once, and both ends repair as after any other loss. Parts of state transfers are asked
//! for again and may be dropped.
//!
//! ```text
//!   readers, timer, callers --> [ lock: node ] --> queues of links --> writers
//!                                            `--> queue of rows  --> disk thread --> tickets
//! ```

mod calls;
mod casting;
mod disk;
mod doorman;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod full_disk;
mod held;
mod links;
mod readings;
mod room;
mod snapshot;
#[cfg(test)]
mod tests;
mod unsaved;
mod waiting;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use damson_core::crdt::NodeId;
use damson_core::node::{CallError, Effect, Event, Input, LinkId, Node as Core, Waited, Written};
use damson_core::replica::{Slot, Tx, WriteError};
use damson_core::scope::ScopeName;
use damson_core::time::{Now, Time};
use damson_core::wire::Refusal;
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast, oneshot, watch};

use crate::broadcast::{Exchanges, Handlers, offer_inspection};
use crate::casts::{Heard, Listeners};
use crate::clock::OsClock;
use crate::names::Names;
use crate::transport::{Idle, LinkSender, PeerId, SendError, Transport};
use crate::trust::{Trust, TrustError};
use crate::watch::Watchers;

use calls::Services;
use readings::Readings;

pub(crate) use calls::Service;
pub(crate) use disk::Disk;
pub use disk::{Sync, Ticket};
pub(crate) use readings::Reading;
pub(crate) use room::Room;
pub(crate) use waiting::Waiting;

/// Events that a slow listener may lag behind before it misses some.
const EVENTS_MAX: usize = 1_024;

pub(crate) struct Driver {
    state: Mutex<State>,
    clock: OsClock,
    disk: Disk,
    transport: Arc<dyn Transport>,
    watchers: Watchers,
    names: Names,
    readings: Readings,
    /// None once the node has stopped: listeners come to their end.
    events: Mutex<Option<broadcast::Sender<Event>>>,
    listeners: Listeners,
    services: Services,
    handlers: Handlers,
    exchanges: Exchanges,
    /// The deadline is sooner than the timer.
    moved: Notify,
    /// What was written waits for links that have nothing else to send.
    idle: Arc<Idle>,
    room: Room,
    trust: Option<Arc<Trust>>,
    stopping: watch::Sender<bool>,
    /// Frames over the limit, which no link takes.
    dropped: AtomicU64,
    /// Links that were closed because their queue was full.
    expelled: AtomicU64,
}

struct State {
    node: Core,
    links: BTreeMap<LinkId, OpenLink>,
    /// Who is to be told of waits that end.
    waits: BTreeMap<u64, oneshot::Sender<Waited>>,
    /// Who is to be told of calls that end.
    calls: BTreeMap<u64, oneshot::Sender<Result<Bytes, CallError>>>,
    next_link: u64,
    /// Links that were closed because their queue was full, and of which the node has not heard yet.
    full: Vec<LinkId>,
    /// For when the timer is set.
    timer: Time,
    stopped: bool,
}

struct OpenLink {
    sender: LinkSender,
    /// Tells the link's reader to end.
    expelled: Arc<Notify>,
}

impl Driver {
    /// Starts the tasks that drive a node.
    pub fn start(
        node: Core,
        effects: Vec<Effect>,
        clock: OsClock,
        disk: Disk,
        transport: Arc<dyn Transport>,
        room: Room,
        trust: Option<Arc<Trust>>,
    ) -> Arc<Self> {
        let state = State {
            node,
            links: BTreeMap::new(),
            waits: BTreeMap::new(),
            calls: BTreeMap::new(),
            next_link: 1,
            full: Vec::new(),
            timer: Time(0),
            stopped: false,
        };
        let driver = Arc::new(Self {
            state: Mutex::new(state),
            clock,
            disk,
            transport,
            watchers: Watchers::default(),
            names: Names::default(),
            readings: Readings::default(),
            events: Mutex::new(Some(broadcast::Sender::new(EVENTS_MAX))),
            listeners: Listeners::default(),
            services: Services::default(),
            handlers: Handlers::default(),
            exchanges: Exchanges::default(),
            moved: Notify::new(),
            idle: Arc::default(),
            room,
            trust,
            stopping: watch::Sender::new(false),
            dropped: AtomicU64::new(0),
            expelled: AtomicU64::new(0),
        });
        driver.carry_out(&mut driver.state.lock(), effects);
        offer_inspection(&driver);
        tokio::spawn(accept(driver.clone()));
        tokio::spawn(keep_time(driver.clone()));
        tokio::spawn(release(driver.clone()));
        tokio::spawn(room::pass_over(driver.clone()));
        driver
    }

    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    pub fn watchers(&self) -> &Watchers {
        &self.watchers
    }

    /// The names of instances that run here.
    pub fn names(&self) -> &Names {
        &self.names
    }

    pub fn events(&self) -> broadcast::Receiver<Event> {
        match &*self.events.lock() {
            Some(events) => events.subscribe(),
            None => broadcast::Sender::new(1).subscribe(),
        }
    }

    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub fn expelled(&self) -> u64 {
        self.expelled.load(Ordering::Relaxed)
    }

    pub fn room(&self) -> &Room {
        &self.room
    }

    /// Who was trusted on first use, if that is how it is decided.
    pub fn trust(&self) -> Option<&Arc<Trust>> {
        self.trust.as_ref()
    }

    /// May there be a link to the node that has answered at this address?
    async fn trusts(&self, address: &str, peer: PeerId) -> Result<(), TrustError> {
        match &self.trust {
            Some(trust) => trust.dialed(address, NodeId(peer)).await,
            None => Ok(()),
        }
    }

    pub fn transport(&self) -> &dyn Transport {
        &*self.transport
    }

    /// A consistent look at the node.
    pub fn look<T>(&self, look: impl FnOnce(&Core, Now) -> T) -> T {
        let now = self.clock.now();
        look(&self.state.lock().node, now)
    }

    /// Changes the node and carries out what follows.
    pub fn change<T>(self: &Arc<Self>, change: impl FnOnce(&mut Core, Now, &mut Vec<Effect>) -> T) -> T {
        let mut state = self.state.lock();
        let mut effects = Vec::new();
        let out = change(&mut state.node, self.clock.now(), &mut effects);
        self.carry_out(&mut state, effects);
        out
    }

    /// Keeps a counter's value at hand, for as long as it is held and somebody follows its key.
    pub fn reading(self: &Arc<Self>, scope: &ScopeName, slot: &Slot) -> Arc<Reading> {
        self.look(|node, now| self.readings.add(scope, slot, node, now))
    }

    /// One of this key is held no more.
    pub fn end_reading(&self, scope: &ScopeName, slot: &Slot) {
        self.readings.sweep(scope, &slot.key);
    }

    /// A local write. A panic in it goes on in the caller, once what it had written is on its way.
    pub fn write<T>(
        self: &Arc<Self>,
        scope: &ScopeName,
        write: impl FnOnce(&mut Tx<'_>) -> Result<T, WriteError>,
    ) -> Result<Written<T>, WriteError> {
        if let Some(cause) = self.disk.failure() {
            return Err(WriteError::Storage { cause });
        }
        let mut state = self.state.lock();
        if state.stopped {
            return Err(WriteError::Stopped);
        }
        let mut effects = Vec::new();
        let mut panic = None;
        // It is the user's, and must not keep what it wrote before from being sent and stored.
        let guarded = |tx: &mut Tx<'_>| {
            catch_unwind(AssertUnwindSafe(|| write(tx))).unwrap_or_else(|payload| {
                panic = Some(payload);
                Err(WriteError::Stopped)
            })
        };
        let written = state.node.write(scope, self.clock.now(), &mut effects, guarded);
        self.carry_out(&mut state, effects);
        drop(state);
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
        written
    }

    /// Says goodbye, refuses further writes, waits for the disk and leaves the mark of a clean stop.
    pub async fn stop(self: &Arc<Self>) -> Result<(), String> {
        let mark = {
            let mut state = self.state.lock();
            let mut effects = Vec::new();
            if !state.stopped {
                state.node.leave(self.clock.now(), &mut effects);
            }
            self.carry_out(&mut state, effects);
            state.stopped = true;
            state.waits.clear();
            state.calls.clear();
            state.node.stop_mark()
        };
        self.events.lock().take();
        self.stopping.send_replace(true);
        self.disk.stop(mark).await
    }

    /// Ends all tasks at once, as a crash would, but for what the disk has taken already.
    pub fn abandon(&self) {
        let mut state = self.state.lock();
        state.stopped = true;
        state.links.clear();
        state.waits.clear();
        state.calls.clear();
        drop(state);
        self.events.lock().take();
        self.stopping.send_replace(true);
    }

    /// Becomes true when the driver's tasks are to end.
    pub fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    /// Something has happened outside.
    pub fn input(self: &Arc<Self>, inputs: impl IntoIterator<Item = Input>) {
        let mut state = self.state.lock();
        if state.stopped {
            return;
        }
        let mut effects = Vec::new();
        for input in inputs {
            state.node.handle(input, self.clock.now(), &mut effects);
            self.carry_out(&mut state, std::mem::take(&mut effects));
        }
    }

    /// Carries out effects, and those of what they lead to.
    fn carry_out(self: &Arc<Self>, state: &mut State, mut effects: Vec<Effect>) {
        loop {
            self.release_if_idle(state, &mut effects);
            effects.drain(..).for_each(|effect| self.carry_out_one(state, effect));
            let Some(link) = state.full.pop() else { break };
            state.node.handle(Input::LinkDown { link }, self.clock.now(), &mut effects);
        }
        let deadline = state.node.deadline();
        if deadline < state.timer {
            state.timer = deadline;
            self.moved.notify_one();
        }
    }

    /// What was written leaves as soon as no link has anything else to send; until then it gathers, for a millisecond at most.
    fn release_if_idle(&self, state: &mut State, effects: &mut Vec<Effect>) {
        if !state.node.is_gathering() {
            return;
        }
        let all_idle = || state.links.values().all(|open| open.sender.is_idle());
        if !all_idle() {
            self.idle.want();
            // Once more: those that become idle from here on tell.
            if !all_idle() {
                return;
            }
        }
        state.node.release(self.clock.now(), effects);
    }

    fn carry_out_one(self: &Arc<Self>, state: &mut State, effect: Effect) {
        match effect {
            Effect::Send { link, lane, frame } => self.send(state, link, lane, frame),
            Effect::Dial { address } => _ = tokio::spawn(links::dial(self.clone(), address)),
            Effect::Close { link } => {
                if let Some(open) = state.links.remove(&link) {
                    open.sender.close();
                }
            }
            Effect::Persist { scope, ticket, rows } => {
                self.disk.persist(scope.as_ref(), Ticket(ticket), rows)
            }
            Effect::AwaitDisk { ticket } => _ = tokio::spawn(await_disk(self.clone(), Ticket(ticket))),
            Effect::Changed { scope, keys, cells } => {
                self.readings.refresh(&scope, &keys, &state.node, self.clock.now());
                self.watchers.changed(&scope, &keys, &cells);
            }
            Effect::Waited { wait, end } => {
                // Who waited may have gone.
                let _ = state.waits.remove(&wait).map(|waiter| waiter.send(end));
            }
            Effect::Cast { tag, from, number, body } => {
                self.listeners.note(&tag, &Heard::Cast { from, number, body });
            }
            Effect::CastLost { tag, from, first, last } => {
                self.listeners.note(&tag, &Heard::Gone { from, first, last });
            }
            Effect::Called { caller, service, body } => self.called(caller, &service, body),
            Effect::Returned { call, result } => Self::returned(state, call, result),
            Effect::Event(event) => self.tell(event),
        }
    }

    fn send(self: &Arc<Self>, state: &mut State, link: LinkId, lane: damson_core::node::Lane, frame: Bytes) {
        let Some(open) = state.links.get(&link) else { return };
        match open.sender.try_send(lane.into(), frame) {
            Ok(()) => {}
            Err(SendError::Full) => self.expel(state, link),
            // The link is ending, and the node hears of it from the reader.
            Err(SendError::Closed) => tracing::debug!(link = link.0, "a frame for a link that has ended"),
            Err(error @ SendError::TooLarge { .. }) => {
                // Another link would not take it either.
                self.dropped.fetch_add(1, Ordering::Relaxed);
                tracing::error!(link = link.0, %error, "a frame is over the limit and is not sent");
            }
        }
    }

    fn expel(&self, state: &mut State, link: LinkId) {
        let Some(open) = state.links.remove(&link) else { return };
        open.sender.abort();
        open.expelled.notify_one();
        state.full.push(link);
        self.expelled.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(link = link.0, "a peer reads more slowly than we write: its link is closed");
    }

    fn tell(&self, event: Event) {
        log(&event);
        // Nobody may be listening.
        let _ = self.events.lock().as_ref().map(|events| events.send(event));
    }

    /// Sets the timer anew. Says how long until it is due.
    fn set_timer(&self) -> Duration {
        let mut state = self.state.lock();
        state.timer = state.node.deadline();
        self.clock.until(state.timer)
    }
}

/// Tells the node when the disk is so far. Should the disk fail for good, the node stays without links: it cannot keep promises.
async fn await_disk(driver: Arc<Driver>, ticket: Ticket) {
    let mut stopping = driver.stopping.subscribe();
    let reached = tokio::select! {
        reached = driver.disk.reached_at_last(ticket) => reached.is_ok(),
        _ = stopping.wait_for(|stop| *stop) => false,
    };
    if reached {
        driver.input([Input::Persisted { ticket: ticket.0 }]);
    }
}

async fn keep_time(driver: Arc<Driver>) {
    let mut stopping = driver.stopping.subscribe();
    loop {
        let pause = driver.set_timer();
        tokio::select! {
            () = tokio::time::sleep(pause) => driver.input([Input::Tick]),
            () = driver.moved.notified() => {}
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

/// Sends what has gathered when links have nothing else to send.
async fn release(driver: Arc<Driver>) {
    let mut stopping = driver.stopping.subscribe();
    loop {
        tokio::select! {
            () = driver.idle.told() => driver.carry_out(&mut driver.state.lock(), Vec::new()),
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

async fn accept(driver: Arc<Driver>) {
    let mut stopping = driver.stopping.subscribe();
    loop {
        tokio::select! {
            link = driver.transport.accept() => match link {
                Ok(link) => _ = tokio::spawn(links::run(driver.clone(), link, None)),
                Err(error) => {
                    tracing::warn!(%error, "no more links are accepted");
                    return;
                }
            },
            _ = stopping.wait_for(|stop| *stop) => return,
        }
    }
}

fn log(event: &Event) {
    match event {
        Event::Ready { alone: true } => {
            tracing::warn!("no contact answered in time: serving alone, still trying")
        }
        Event::Ready { alone: false } => tracing::info!("ready"),
        Event::Member { id, name, state, judged_by, .. } => {
            let state = state.map_or("forgotten", damson_core::membership::MemberState::name);
            let judge = judged_by.map(|judge| judge.to_string()).unwrap_or_default();
            tracing::info!(%id, name, state, judge, "member");
        }
        Event::Runs { id } => tracing::debug!(%id, "runs something else"),
        // Names and lists of a whole cluster name the node itself too.
        Event::Refused { cause: Refusal::Oneself, .. } => tracing::debug!("a contact's address is our own"),
        Event::Refused { peer, cause, by_peer } => tracing::warn!(%peer, %cause, by_peer, "greeting refused"),
        Event::NewLife { .. } => {
            tracing::warn!(
                "this data directory is a copy or an old image: going on as a new life, nothing is lost"
            );
        }
        Event::Forgotten => {
            tracing::error!(
                "the other members have forgotten this one: start it again, it begins empty then"
            );
        }
        Event::Diverged { scope, peer, .. } => {
            tracing::error!(%scope, %peer, "equal contexts but different contents: data is damaged here or there");
        }
        Event::FutureTime { peer, ahead_ms } => {
            tracing::warn!(%peer, ahead_ms, "a write from the far future")
        }
        Event::Memory { scope, level, memory } => {
            let (of, level) = (scope.as_ref().map_or("node", |scope| scope.as_str()), level.name());
            let (used_bytes, limit_bytes) = (memory.used_bytes, memory.limit_bytes.unwrap_or(u64::MAX));
            tracing::warn!(of, level, used_bytes, limit_bytes, "memory");
        }
        Event::ClockSuspect(true) => tracing::error!("our clock is far from those of most neighbours"),
        other => tracing::info!(?other, "event"),
    }
}
