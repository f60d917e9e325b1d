//! A node: replicas, anti-entropy, membership and broadcast, wired together.
//!
//! ```text
//!   Input ---> Node::handle ---> Effect          links, frames, time; never performed here
//!   f(&mut Tx) -> Node::write ---> Effect         local writes; they leave when they have gathered:
//!   Node::release ---> Effect                     a link is idle
//!   Node::deadline                                when to call again
//! ```
//!
//! The driver calls [`Node::handle`] for everything that happens outside, carries out the effects in their order, and
//! calls with [`Input::Tick`] when the deadline has passed. The node reads no clock and draws from one seeded generator:
//! the same inputs give the same effects, byte for byte.

mod ack;
mod boot;
mod calls;
mod casting;
mod config;
mod contacts;
mod dialer;
mod effects;
mod ended;
mod forgotten;
mod gather;
mod greeting;
mod hosting;
mod links;
mod members;
mod memory;
mod messages;
mod neighbors;
mod scopes;
mod sessions;
mod spread;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::{Actor, Batch, Clock, Digest, Life, NodeId, Rule};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};

use crate::broadcast::{Broadcast, BroadcastCounters};
use crate::casts::Casts;
use crate::membership::{Liveness, Overlay, OverlayCounters, OverlayInput, Roster};
use crate::persist::Row;
use crate::replica::{Replica, Tx, WriteError};
use crate::scope::ScopeName;
use crate::sync::{Sync, SyncCounters, SyncEffect};
use crate::time::{Now, Time};
use crate::wire::{Contact, Message, Refusal};

pub use ack::{Ack, AckConfig, AckCounters, Token, TokenError, WaitError, Waited};
pub use boot::{Boot, Started};
pub use calls::{CALL_BYTES_MAX, CALLS_MAX, CallError, Caller, SERVICE_BYTES_MAX};
pub use config::{Config, Stored};
pub use dialer::DialConfig;
pub use effects::{Effect, Event, Input, Lane, LinkId};
pub use memory::MemoryConfig;

use ack::Acks;
use calls::Calls;
use contacts::Contacts;
use dialer::Dialer;
use ended::Ended;
use forgotten::Born;
use gather::Outbox;
use links::Links;
use memory::MemoryTold;
use neighbors::Regroup;
use scopes::ScopeTable;
use upkeep::{Readiness, SWEEP_SLACK_MS};

/// A node.
#[derive(Debug)]
pub struct Node {
    config: Config,
    id: NodeId,
    boot: u64,
    rng: ChaCha8Rng,
    clock: Clock,
    scopes: ScopeTable,
    links: Links,
    dialer: Dialer,
    contacts: Contacts,
    sync: Sync,
    liveness: Liveness,
    overlay: Overlay,
    regroup: Regroup,
    broadcast: Broadcast,
    roster: Roster,
    incarnation: u64,
    announced: bool,
    leaving: bool,
    /// What the process runs on scopes, and in which version of its payloads.
    running: BTreeMap<ScopeName, u16>,
    /// Its database.
    born: Born,
    /// What is asked about its ended lives.
    ended: Ended,
    /// When a peer last refused us because another live process has our id.
    duplicate_since: Option<Time>,
    /// Links open once this ticket is on disk.
    gate: Option<u64>,
    /// Links or members have changed: look again whom to dial.
    redial: bool,
    readiness: Readiness,
    /// Until we are ready: with whom we have compared all that we share.
    compared: BTreeSet<NodeId>,
    next_sweep: Time,
    /// When something is due next; unknown when something has changed since that was computed.
    due: Option<Time>,
    /// How far the wall clocks of linked peers are from ours.
    offsets_ms: BTreeMap<NodeId, i64>,
    clock_suspect: bool,
    /// Probes that we pass on: our nonce, the asker and its nonce.
    relayed: BTreeMap<u64, (NodeId, u64, Time)>,
    next_relay: u64,
    digests: BTreeMap<NodeId, Digest>,
    outbox: Outbox,
    acks: Acks,
    calls: Calls,
    ticket: u64,
    counters: NodeCounters,
    memory_told: MemoryTold,
}

/// A local write that was applied.
#[derive(Debug, Clone)]
pub struct Written<T> {
    /// What the transaction returned.
    pub value: T,
    /// The write is as durable as its scope asks once this ticket is persisted.
    pub ticket: u64,
    /// The operations; `None` when nothing was written.
    pub batch: Option<Batch>,
}

/// What happened in a node, counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NodeCounters {
    /// Frames that could not be believed.
    pub malformed: u64,
    /// Messages of unknown numbers, from newer versions.
    pub unknown: u64,
    /// Greetings that we refused.
    pub refused: u64,
    /// Greetings of ours that were refused.
    pub refused_by_peers: u64,
    /// Suspicions of us that we refuted.
    pub refutations: u64,
    /// Batches in our own name that we had not written.
    pub own_from_elsewhere: u64,
    /// Replicas that differed from a peer's although their contexts were equal.
    pub diverged: u64,
    /// Traces of resets in counters of our ended lives that were removed.
    pub traces_removed: u64,
}

impl Node {
    fn assemble(
        config: Config,
        actor: Actor,
        replicas: BTreeMap<ScopeName, Replica>,
        born: Born,
        mut rng: ChaCha8Rng,
        now: Now,
    ) -> Self {
        let mut fork = || ChaCha8Rng::seed_from_u64(rng.next_u64());
        let (a, b, c, d) = (fork(), fork(), fork(), fork());
        let e = ChaCha8Rng::seed_from_u64(xxhash_rust::xxh3::xxh3_64(&actor.to_bytes()));
        let has_contacts = !config.contacts.is_empty() || config.discovers;
        let alone = !has_contacts && !replicas.contains_key(&ScopeName::roster());
        let joined = now.time.plus_ms(if alone { 0 } else { config.join_timeout_ms });
        let own = Contact { id: actor.node, address: config.address.clone() };
        let mut scopes = ScopeTable::new(
            replicas,
            actor,
            config.replica.clone(),
            config.rules,
            config.hosted.clone(),
            config.scopes_max,
        );
        scopes.trace = config.trace_deliveries;
        scopes.follow(config.stored.clone(), false);
        scopes.limit_memory(config.memory.clone());
        let boot = rng.next_u64();
        scopes.casts = Casts::new(Actor::new(actor.node, Life(boot)));
        Self {
            id: actor.node,
            boot,
            rng,
            clock: Clock::default(),
            scopes,
            links: Links::default(),
            dialer: Dialer::new(config.dial.clone(), a),
            contacts: Contacts::default(),
            sync: Sync::new(config.sync.clone(), b, now.time),
            liveness: Liveness::new(config.liveness.clone(), c, now.time),
            overlay: Overlay::new(config.overlay.clone(), own, d, now.time),
            regroup: Regroup::default(),
            broadcast: Broadcast::new(config.broadcast.clone(), actor.node, config.sources.clone()),
            roster: Roster::default(),
            incarnation: 0,
            born,
            ended: Ended::default(),
            announced: false,
            leaving: false,
            running: BTreeMap::new(),
            duplicate_since: None,
            gate: None,
            redial: true,
            readiness: Readiness::Joining(joined),
            compared: BTreeSet::new(),
            next_sweep: now.time,
            due: None,
            offsets_ms: BTreeMap::new(),
            clock_suspect: false,
            relayed: BTreeMap::new(),
            next_relay: 1 << 63,
            digests: BTreeMap::new(),
            outbox: Outbox::default(),
            acks: Acks::new(config.ack.clone(), e),
            calls: Calls::new(boot),
            ticket: 0,
            counters: NodeCounters::default(),
            memory_told: MemoryTold::default(),
            config,
        }
    }

    /// Takes in what happened, and says what to do.
    pub fn handle(&mut self, input: Input, now: Now, fx: &mut Vec<Effect>) {
        match input {
            Input::LinkUp { link, peer, dialed } => self.on_link_up(link, peer, dialed, now, fx),
            Input::LinkDown { link } => self.on_link_down(link, now, fx),
            Input::Frame { link, frame } => self.on_frame(link, &frame, now, fx),
            Input::Distrusted { link } => self.refuse(link, Refusal::Untrusted, now, fx),
            Input::DialFailed { address } => self.on_dial_failed(&address, now, fx),
            Input::Contacts(addresses) => self.on_contacts(addresses),
            Input::Persisted { ticket } => self.on_persisted(ticket, now, fx),
            Input::Tick => {}
        }
        if std::mem::take(&mut self.scopes.forked) {
            self.take_new_life(now, fx);
        }
        self.settle(now, fx);
        let mut due = self.next_due();
        if now.time >= due.min(self.next_sweep) {
            self.do_what_is_due(now, fx);
            self.settle(now, fx);
            due = self.next_due();
        }
        self.due = Some(due);
    }

    /// When to call [`Node::handle`] again at the latest.
    pub fn deadline(&self) -> Time {
        self.due.unwrap_or_else(|| self.next_due())
    }

    fn next_due(&self) -> Time {
        let joining = match self.readiness {
            Readiness::Joining(until) => until,
            Readiness::Ready => Time(u64::MAX),
        };
        let all = [
            self.sync.deadline(),
            self.liveness.deadline(),
            self.dialer.deadline(),
            self.links.deadline(),
            self.overlay.deadline(),
            self.broadcast.deadline(),
            self.acks.deadline(),
            self.calls.deadline(),
            self.outbox.deadline(),
            self.next_sweep.plus_ms(SWEEP_SLACK_MS),
            joining,
            if self.redial && !self.leaving { Time::default() } else { Time(u64::MAX) },
        ];
        all.into_iter().fold(Time(u64::MAX), Time::min)
    }

    /// Writes to a scope: what `write` does in its transaction is one atomic batch. A step that fails leaves no trace of
    /// itself; what the transaction wrote before it stays, and is sent and stored.
    pub fn write<T>(
        &mut self,
        scope: &ScopeName,
        now: Now,
        fx: &mut Vec<Effect>,
        write: impl FnOnce(&mut Tx<'_>) -> Result<T, WriteError>,
    ) -> Result<Written<T>, WriteError> {
        self.due = None;
        let limit = self.config.scopes_max;
        let full = self.scopes.is_full();
        let hosted = self.scopes.hosts(scope);
        let refused =
            if hosted && full { WriteError::TooManyScopes { limit } } else { WriteError::NotHosted };
        let room = self.scopes.room_for(scope);
        let replica = self.scopes.get_or_create(scope).ok_or(refused)?;
        let mut tx = replica.begin(self.clock.tick(now.wall_ms), now.wall_ms);
        if let Some((others_bytes, limit_bytes)) = room {
            tx = tx.within(others_bytes, limit_bytes);
        }
        let result = write(&mut tx);
        let batch = tx.commit();
        if let Some(batch) = &batch {
            self.push(scope, batch, now, fx);
            self.flush(scope, now, fx);
            self.answer_askers(now, fx);
        }
        result.map(|value| Written { value, ticket: self.ticket, batch })
    }

    /// Begins a round of anti-entropy with a member now. False when there is no link to it.
    pub fn sync_with(&mut self, peer: NodeId, fx: &mut Vec<Effect>) -> bool {
        let linked = self.links.of(peer).is_some();
        if linked {
            self.due = None;
            let mut effects = Vec::new();
            self.sync.begin(peer, &self.scopes, &mut effects);
            self.carry_out_sync(effects, fx);
        }
        linked
    }

    /// From now on changed keys are told, as effects.
    pub fn watch(&mut self, watching: bool) {
        self.scopes.watch(watching);
    }

    /// Are changed keys told?
    pub fn is_watched(&self) -> bool {
        self.scopes.is_watched()
    }

    /// From now on the cells that change are told with their keys.
    pub fn watch_cells(&mut self, watching: bool) {
        self.scopes.watch_cells(watching);
    }

    /// This node.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Its configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The life of its state.
    pub fn life(&self) -> Life {
        self.scopes.actor.life
    }

    /// A scope's replica, if anything is known of the scope.
    pub fn replica(&self, scope: &ScopeName) -> Option<&Replica> {
        self.scopes.replicas.get(scope)
    }

    /// The replica, for simulators that damage or truncate it.
    pub fn replica_mut(&mut self, scope: &ScopeName) -> Option<&mut Replica> {
        self.due = None;
        self.scopes.touched.insert(scope.clone());
        self.scopes.replicas.get_mut(scope)
    }

    /// The batches that this node has issued since this was last called, while
    /// [`ReplicaConfig::record_issued`](crate::replica::ReplicaConfig::record_issued) is set.
    pub fn take_issued(&mut self) -> Vec<(ScopeName, Batch)> {
        let of = |replica: &mut Replica| {
            let name = replica.name().clone();
            replica.take_issued().into_iter().map(move |batch| (name.clone(), batch))
        };
        self.scopes.replicas.values_mut().flat_map(of).collect()
    }

    /// All replicas, in the order of their scopes' names.
    pub fn replicas(&self) -> impl Iterator<Item = &Replica> {
        self.scopes.replicas.values()
    }

    /// The members.
    pub fn roster(&self) -> &Roster {
        &self.roster
    }

    /// The peers with an open link.
    pub fn peers(&self) -> impl Iterator<Item = NodeId> {
        self.links.peers()
    }

    /// One digest over the non-empty user scopes: equal on nodes that agree. Computed when asked.
    pub fn digest(&self) -> Digest {
        self.scopes.user_digest()
    }

    /// The digest over all scopes, the roster's included.
    pub fn whole_digest(&self) -> Digest {
        self.scopes.whole_digest()
    }

    /// The digest that a linked peer last told us.
    pub fn digest_of(&self, peer: NodeId) -> Option<Digest> {
        self.digests.get(&peer).copied()
    }

    /// May it serve? After the first sync, or alone; not while its clock is in doubt or another process has its id.
    pub fn is_ready(&self) -> bool {
        self.readiness == Readiness::Ready
            && !self.clock_suspect
            && self.duplicate_since.is_none()
            && !self.born.forgotten
    }

    /// Does another live process with the same node id keep it out of the cluster?
    pub fn is_duplicate(&self) -> bool {
        self.duplicate_since.is_some()
    }

    /// Is our clock far from those of most neighbours?
    pub fn is_clock_suspect(&self) -> bool {
        self.clock_suspect
    }

    /// What happened so far.
    pub fn counters(&self) -> NodeCounters {
        self.counters
    }

    /// What anti-entropy has done so far.
    pub fn sync_counters(&self) -> SyncCounters {
        self.sync.counters()
    }

    /// Its overlay neighbours, in the order of their ids.
    pub fn active_view(&self) -> Vec<NodeId> {
        self.overlay.active().collect()
    }

    /// Others that it knows as candidates.
    pub fn passive_view(&self) -> Vec<NodeId> {
        self.overlay.passive().collect()
    }

    /// What the overlay has done so far.
    pub fn overlay_counters(&self) -> OverlayCounters {
        self.overlay.counters()
    }

    /// What the broadcast has done so far.
    pub fn broadcast_counters(&self) -> BroadcastCounters {
        self.broadcast.counters()
    }

    /// For experiments that start in bulk: see [`Broadcast::plant`].
    pub fn plant(&mut self, peer: NodeId, lazy: Vec<u64>) {
        self.due = None;
        self.broadcast.plant(peer, lazy);
    }

    /// The broadcast, for those who look at its trees.
    pub fn broadcast(&self) -> &Broadcast {
        &self.broadcast
    }

    fn do_what_is_due(&mut self, now: Now, fx: &mut Vec<Effect>) {
        self.check_greetings(now, fx);
        self.check_joining(now, fx);
        if now.time >= self.liveness.deadline() {
            self.tick_liveness(now, fx);
        }
        if now.time >= self.sync.deadline() {
            let neighbors: Vec<NodeId> = self.overlay.active().collect();
            let peers = if neighbors.is_empty() { self.links.peers().collect() } else { neighbors };
            let mut effects = Vec::new();
            self.sync.tick(now.time, &peers, &mut self.scopes, &mut effects);
            self.carry_out_sync(effects, fx);
        }
        if now.time >= self.overlay.deadline() {
            self.overlay_input(OverlayInput::Tick, now, fx);
        }
        if now.time >= self.outbox.deadline() {
            self.release(now, fx);
        }
        self.tick_broadcast(now, fx);
        self.tick_calls(now, fx);
        self.sweep(now, fx);
        if !self.leaving && (std::mem::take(&mut self.redial) || now.time >= self.dialer.deadline()) {
            let wanted = self.wanted_addresses();
            fx.extend(self.dialer.due(now.time, &wanted).into_iter().map(|address| Effect::Dial { address }));
        }
    }

    /// Follows up on what changed, until nothing does: own fork, roster, traces, disk, watchers.
    fn settle(&mut self, now: Now, fx: &mut Vec<Effect>) {
        let drift = self.config.clock_drift_ms_max;
        self.clock.observe(std::mem::take(&mut self.scopes.hlc_seen), now.wall_ms, drift);
        for event in std::mem::take(&mut self.scopes.events) {
            self.counters.diverged += u64::from(matches!(event, Event::Diverged { .. }));
            fx.push(Effect::Event(event));
        }
        for (from, scope, actor, last) in std::mem::take(&mut self.scopes.brought) {
            self.broadcast.learned(&scope, actor, last, from, now.time);
        }
        while let Some(scope) = self.scopes.touched.pop_first() {
            self.absorb(&scope, now, fx);
            self.flush(&scope, now, fx);
        }
        self.check_compared(fx);
        self.answer_askers(now, fx);
        self.tick_waits(now, fx);
    }

    fn absorb(&mut self, scope: &ScopeName, now: Now, fx: &mut Vec<Effect>) {
        let Some(replica) = self.scopes.replicas.get_mut(scope) else { return };
        if replica.has_traces()
            && let Some(batch) = replica.absorb_traces(self.clock.tick(now.wall_ms), now.wall_ms)
        {
            self.push(scope, &batch, now, fx);
        }
    }

    /// Hands what changed in a scope to the disk, the watchers and, in the roster's case, to membership.
    fn flush(&mut self, scope: &ScopeName, now: Now, fx: &mut Vec<Effect>) {
        let (is_roster, is_watched) = (*scope == ScopeName::roster(), self.scopes.is_watched());
        let tells_cells = is_watched && self.scopes.are_cells_watched();
        let Some(replica) = self.scopes.replicas.get_mut(scope) else { return };
        let keys = if is_roster || is_watched { replica.changed_keys() } else { BTreeSet::new() };
        let cells = match tells_cells {
            true => replica.changed_cells().into_iter().collect(),
            false => Vec::new(),
        };
        let rows = replica.take_rows();
        self.acks.note_changed(scope);
        if !rows.is_empty() {
            self.persist(Some(scope.clone()), rows, fx);
        }
        if is_roster {
            keys.iter().for_each(|key| self.refresh_member(key, now, fx));
        }
        if is_watched && !keys.is_empty() {
            fx.push(Effect::Changed { scope: scope.clone(), keys: keys.into_iter().collect(), cells });
        }
    }

    fn persist(&mut self, scope: Option<ScopeName>, rows: Vec<Row>, fx: &mut Vec<Effect>) {
        self.ticket += 1;
        fx.push(Effect::Persist { scope, ticket: self.ticket, rows });
    }

    /// Another process writes in our name, or wrote in it: from now on we are somebody else.
    fn take_new_life(&mut self, now: Now, fx: &mut Vec<Effect>) {
        if !self.config.rules.holds(Rule::ForkUnseen) {
            return;
        }
        let ended = self.scopes.actor.life;
        let begun = self.go_on_as_another(now, fx);
        fx.push(Effect::Event(Event::NewLife { ended, begun }));
    }

    fn peer_found(&mut self, peer: NodeId, fx: &mut Vec<Effect>) {
        let mut effects = Vec::new();
        self.sync.begin(peer, &self.scopes, &mut effects);
        self.carry_out_sync(effects, fx);
    }

    fn peer_lost(&mut self, peer: NodeId, now: Now, fx: &mut Vec<Effect>) {
        let was_neighbor = self.overlay.is_neighbor(peer);
        self.forget_asker(peer, now);
        self.end_calls_with(peer, fx);
        self.overlay_input(OverlayInput::LinkClosed(peer), now, fx);
        self.liveness.closed(peer);
        self.scopes.peer_down(peer);
        self.digests.remove(&peer);
        self.offsets_ms.remove(&peer);
        let mut effects = Vec::new();
        self.sync.peer_down(peer, now.time, &mut self.scopes, &mut effects);
        self.carry_out_sync(effects, fx);
        if was_neighbor && self.roster.get(peer).is_some_and(|member| member.state.is_present()) {
            self.probe_through_others(peer, now, fx);
        }
    }

    fn carry_out_sync(&mut self, effects: Vec<SyncEffect>, fx: &mut Vec<Effect>) {
        for effect in effects {
            match effect {
                SyncEffect::Send(peer, message) => {
                    let part = matches!(message, Message::Sync(crate::wire::SyncMessage::Chunk { .. }));
                    let lane = if part { Lane::Transfer } else { Lane::Urgent };
                    self.send(peer, lane, &message, fx);
                }
                SyncEffect::Synced(peer) => self.compared_with(peer),
            }
        }
    }

    fn send(&self, peer: NodeId, lane: Lane, message: &Message, fx: &mut Vec<Effect>) {
        if let Some(link) = self.links.of(peer) {
            send_on(link, lane, message, fx);
        }
    }
}

fn send_on(link: LinkId, lane: Lane, message: &Message, fx: &mut Vec<Effect>) {
    fx.push(Effect::Send { link, lane, frame: message.encode() });
}
