//! How a new delta reaches the other members at once: along trees, with announcements across the other links.
//!
//! Plumtree (Leitao, Pereira, Rodrigues, "Epidemic Broadcast Trees", SRDS 2007) with a tree for each author. A payload is
//! pushed along its author's tree, so that it crosses each of the tree's links once; across the other links goes, later
//! and for many at once, the announcement that one has it. Who hears of a payload and does not get it in time asks for it
//! (*graft*). Trees are not grown by flooding: distance vectors (`trees`) know them before an author's first message, by
//! measured delay, and repair them when links come and go. A duplicate shows that a neighbour is mistaken about us: it is
//! told (*prune*). A small cluster in which all are linked is the special case of trees of height one.
//!
//! ```text
//!   own or new payload --> deliver --> Push to the children, announcements for the others
//!   Have --> missing, after a time by the link's round trip --> Graft --> Push from the log
//!   Vector --> trees
//! ```
//!
//! Payloads are opaque here; numbers are those of their operations, so that what is known is known by the replicas
//! ([`Known`]) and not by a cache. What all this misses, anti-entropy brings.

mod config;
mod lazy;
mod log;
mod sources;
mod trees;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use damson_crdt::{Actor, DotRange, NodeId};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::scope::ScopeName;
use crate::time::Time;
use crate::wire::{Have, Want};

pub use config::{BroadcastConfig, BroadcastCounters};
pub use sources::SourceTable;

use lazy::{LazyLink, Missing};
use log::{Log, Logged};
use trees::Trees;

/// The operations of one author in one scope.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Stream {
    scope: ScopeName,
    actor: Actor,
}

/// A payload, and what it holds.
#[derive(Debug, Clone)]
pub struct Item {
    /// The scope.
    pub scope: ScopeName,
    /// The operations.
    pub range: DotRange,
    /// Links from the author to us; 0 at the author.
    pub round: u8,
    /// The bytes.
    pub payload: Bytes,
}

/// What the node knows already.
pub trait Known {
    /// The first operation of this author, up to `last`, that is not known and does not wait to be applied either.
    fn first_missing(&self, scope: &ScopeName, actor: Actor, last: u64) -> Option<u64>;
    /// Is a state transfer of the scope to us under way?
    fn is_brought(&self, scope: &ScopeName) -> bool;
}

/// Something to do.
#[derive(Debug, Clone)]
pub enum BroadcastEffect {
    /// Push a payload to these neighbours.
    Push {
        /// To whom.
        to: Vec<NodeId>,
        /// The scope.
        scope: ScopeName,
        /// Links from the author to them.
        round: u8,
        /// The bytes.
        payload: Bytes,
    },
    /// Announce.
    Have(NodeId, Vec<Have>),
    /// Ask.
    Graft(NodeId, Vec<Want>),
    /// Tell distances.
    Vector(NodeId, Vec<u8>),
    /// Nobody gave what this neighbour announced: begin anti-entropy with it.
    Sync(NodeId),
    /// The same of casts, which anti-entropy does not bring.
    GivenUp {
        /// Under which name they travel.
        scope: ScopeName,
        /// The process that sent them.
        actor: Actor,
        /// The greatest number that was announced.
        last: u64,
        /// Who was asked last.
        by: NodeId,
    },
}

/// Entries that are looked at in one message.
const ENTRIES_MAX: usize = 4_096;
/// While an author's operations go on coming by themselves, the next are not asked for before this time, in milliseconds: a
/// busy node stands still for a while, and would be sent all that is under way once more.
const PROGRESS_MS: u64 = 200;
/// Casts are given this time to come by themselves, in milliseconds, and twice as long each time they were asked for: thousands may be
/// under way, one by one, and whoever asks too early is sent them twice.
const CAST_PATIENCE_MS: u64 = 100;
/// Casts are asked for so often without an answer before they are given up.
const TRIES_MAX: u32 = 4;
/// What one request is answered with, in bytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// The state machine.
#[derive(Debug)]
pub struct Broadcast {
    config: BroadcastConfig,
    trees: Trees,
    links: BTreeMap<NodeId, LazyLink>,
    missing: BTreeMap<Stream, Missing>,
    log: Log,
    /// Sets the draws of this node apart from those of others.
    own_seed: u64,
    alert_until: Time,
    /// When something is due: asked for with each input, changed by few of them.
    next: Time,
    counters: BroadcastCounters,
}

impl Broadcast {
    /// A state machine for a node. `sources` is a table to begin with.
    pub fn new(config: BroadcastConfig, own: NodeId, sources: Option<Arc<SourceTable>>) -> Self {
        let trees = Trees::new(own, sources.unwrap_or_default(), config.sources_max, config.grown_max);
        Self {
            config,
            trees,
            links: BTreeMap::new(),
            missing: BTreeMap::new(),
            log: Log::default(),
            own_seed: xxh3_64(&own.0),
            alert_until: Time::default(),
            next: Time(u64::MAX),
            counters: BroadcastCounters::default(),
        }
    }

    /// What was done so far.
    pub fn counters(&self) -> BroadcastCounters {
        self.counters
    }

    /// How far an author is, in milliseconds and hops; `None` when no path is known.
    pub fn distance(&self, author: NodeId) -> Option<(u16, u16)> {
        self.trees.distance(author)
    }

    /// Does no path lead to this author, and not only since just now?
    pub fn is_apart(&self, author: NodeId) -> bool {
        self.trees.is_apart(author)
    }

    /// To how many nodes a path is known, ourselves included.
    pub fn reachable(&self) -> usize {
        self.trees.known()
    }

    /// The neighbour over which this author's payloads come.
    pub fn parent(&self, author: NodeId) -> Option<NodeId> {
        self.trees.parent(author)
    }

    /// The neighbours to which this author's payloads go on.
    pub fn children(&self, author: NodeId) -> Vec<NodeId> {
        self.trees.children(author)
    }

    /// Announcements that wait, by the neighbours that are to hear them.
    pub fn outstanding(&self) -> impl Iterator<Item = (NodeId, Have)> {
        self.links.iter().flat_map(|(peer, link)| link.pending().map(|have| (*peer, have)))
    }

    /// A bulk start: the trees of all authors of the table that was given at the start, as their payloads would have
    /// grown them. `lazy` has a bit for each author whose payloads do not go over the link to this neighbour.
    pub fn plant(&mut self, peer: NodeId, lazy: Vec<u64>) {
        self.trees.plant(peer, lazy);
    }

    /// What the trees of all authors take, in bytes.
    pub fn tree_bytes(&self) -> usize {
        self.trees.bytes()
    }

    /// When [`Broadcast::tick`] wants to be called.
    pub fn deadline(&self) -> Time {
        self.next
    }

    fn look_ahead(&mut self) {
        let links = self.links.values().filter_map(|link| link.due);
        let missing = self.missing.values().map(|missing| missing.due);
        self.next = links.chain(missing).fold(self.trees.deadline(), Time::min);
    }

    /// A neighbour more: it is told distances, and what is recent.
    pub fn link_up(&mut self, peer: NodeId, round_trip_us: u64, now: Time) {
        self.trees.link_up(peer, delay_ms(round_trip_us));
        self.trees.schedule(now, self.config.vector_hold_ms);
        let mut link = LazyLink::default();
        self.log.trim(now, &self.config);
        let due = now.plus_ms(self.config.alert_ms);
        self.log.latest().iter().for_each(|(stream, last)| _ = link.plan(stream, *last, due));
        self.links.insert(peer, link);
        self.alert(now);
        self.look_ahead();
    }

    /// A neighbour that only hears of payloads until it asks for one, or has no other path that is as good.
    pub fn be_lazy(&mut self, peer: NodeId) {
        self.trees.be_lazy(peer);
    }

    /// A neighbour less.
    pub fn link_down(&mut self, peer: NodeId, now: Time) {
        if self.links.remove(&peer).is_some() {
            self.trees.link_down(peer);
            self.trees.schedule(now, self.config.vector_hold_ms);
            self.alert(now);
            self.look_ahead();
        }
    }

    /// A link's round trip was measured. Small changes are no reason to tell everyone.
    pub fn measured(&mut self, peer: NodeId, round_trip_us: u64, now: Time) {
        let (Some(old), new) = (self.trees.delay_ms(peer), delay_ms(round_trip_us)) else { return };
        if old.abs_diff(new) > 1 + old.max(new) / 4 {
            self.trees.measured(peer, new);
            self.trees.schedule(now, self.config.vector_hold_ms);
            self.look_ahead();
        }
    }

    /// A payload that is new here, our own or from a neighbour: it goes on.
    pub fn deliver(&mut self, item: Item, from: Option<NodeId>, now: Time, fx: &mut Vec<BroadcastEffect>) {
        let Item { scope, range, round, payload } = item;
        let stream = Stream::new(&scope, range.actor);
        // What had to be asked for is late: those below may have it from elsewhere by now. They are told.
        let asked = |missing: &Missing| missing.asked.is_some() && range.last <= missing.last;
        // Only in a loop a payload crosses so many links.
        let late = self.missing.get(&stream).is_some_and(asked) || round == u8::MAX;
        let mut to = match self.config.fanout {
            None => self.trees.forward(range.actor.node, from),
            Some(fanout) => self.draw(fanout, &range, from),
        };
        to.retain(|peer| self.links.get(peer).is_none_or(|link| !link.has(&stream, range.last)));
        let (later, sooner) = (self.config.calm_ms, self.config.alert_ms);
        let due = now.plus_ms(if now < self.alert_until { sooner } else { later });
        for (peer, link) in &mut self.links {
            let is_below = to.contains(peer);
            if Some(*peer) == from || (is_below && !late) {
                link.knows(&stream, range.last);
                continue;
            }
            let waiting = link.plan(&stream, range.last, due);
            // Late casts come by the hundred, each by itself.
            let at_once = is_below && late && !stream.scope.is_cast();
            if waiting >= self.config.haves_max || at_once {
                link.due = Some(now);
            }
        }
        if late {
            to.clear();
        }
        let logged = Logged { last: range.last, round, payload: payload.clone() };
        self.log.push(stream, range.first, logged, now, &self.config);
        if !to.is_empty() {
            self.push(to, scope, round, payload, fx);
        }
        self.counters.payloads_received += u64::from(from.is_some());
        self.look_ahead();
    }

    /// A payload has come, and one before it has not: where draws decide who is sent what, perhaps it never will. Along trees it
    /// is on its way.
    pub fn look_for_gap(
        &mut self,
        from: NodeId,
        scope: &ScopeName,
        range: DotRange,
        known: &dyn Known,
        now: Time,
    ) {
        if self.config.fanout.is_none() || range.first == 1 {
            return;
        }
        let before = range.first - 1;
        if let Some(first) = known.first_missing(scope, range.actor, before) {
            self.note_missing(Stream::new(scope, range.actor), (first, before), from, now);
            self.look_ahead();
        }
    }

    /// Some neighbours at random; others for the next payload.
    fn draw(&self, fanout: usize, range: &DotRange, from: Option<NodeId>) -> Vec<NodeId> {
        let seed = range.actor.life.0 ^ range.last.rotate_left(32) ^ self.own_seed;
        let mut drawn: Vec<NodeId> = self.links.keys().copied().filter(|peer| Some(*peer) != from).collect();
        drawn.sort_by_cached_key(|peer| xxh3_64_with_seed(&peer.0, seed));
        drawn.truncate(fanout);
        drawn
    }

    /// Anti-entropy with `from` has brought operations that had not come by themselves: the others may lack them as well.
    pub fn learned(&mut self, scope: &ScopeName, actor: Actor, last: u64, from: NodeId, now: Time) {
        let (stream, due) = (Stream::new(scope, actor), now.plus_ms(self.config.alert_ms));
        for (peer, link) in &mut self.links {
            if *peer == from {
                link.knows(&stream, last);
            } else if link.plan(&stream, last, due) >= self.config.haves_max {
                link.due = Some(now);
            }
        }
        self.look_ahead();
    }

    /// A payload that was known came: the neighbour need not be told, and if it took us for its child it was mistaken.
    pub fn duplicate(&mut self, from: NodeId, scope: &ScopeName, range: DotRange, now: Time) {
        self.counters.payloads_received += 1;
        self.counters.duplicates += 1;
        let stream = Stream::new(scope, range.actor);
        if let Some(link) = self.links.get_mut(&from) {
            link.knows(&stream, range.last);
        }
        let author = range.actor.node;
        // What anti-entropy was faster with came over no other link of the tree.
        let was_pushed = self.log.range(&stream, range.first, range.last).next().is_some();
        let is_mistaken = self.config.fanout.is_none() && self.trees.parent(author) != Some(from);
        if is_mistaken && (was_pushed || self.trees.has_distance(author)) {
            self.counters.prunes_sent += 1;
            self.trees.prune(from, author);
            self.trees.schedule(now, 0);
        }
        self.look_ahead();
    }

    /// A neighbour announces.
    pub fn on_have(&mut self, from: NodeId, haves: &[Have], known: &dyn Known, now: Time) {
        if !self.links.contains_key(&from) {
            self.counters.refused += 1;
            return;
        }
        for have in haves.iter().take(ENTRIES_MAX) {
            let stream = Stream::new(&have.scope, have.actor);
            self.links.get_mut(&from).expect("checked above").knows(&stream, have.last);
            // Not only the last: one before it may have been lost.
            let Some(first) = known.first_missing(&have.scope, have.actor, have.last) else { continue };
            if self.trees.parent(have.actor.node) == Some(from) {
                // It does not push to us: it does not know that we are its child.
                self.trees.remind(from, have.actor.node);
            }
            self.note_missing(stream, (first, have.last), from, now);
        }
        self.trees.schedule(now, 0);
        self.look_ahead();
    }

    /// A neighbour asks.
    pub fn on_graft(&mut self, from: NodeId, wants: &[Want], now: Time, fx: &mut Vec<BroadcastEffect>) {
        if !self.links.contains_key(&from) {
            self.counters.refused += 1;
            return;
        }
        self.alert(now);
        let mut bytes = 0;
        let mut answers = Vec::new();
        let mut forgotten = false;
        for want in wants.iter().take(ENTRIES_MAX) {
            let stream = Stream::new(&want.scope, want.actor);
            self.trees.grafted(from, want.actor.node);
            forgotten |=
                !want.scope.is_cast() && self.log.range(&stream, want.first, want.last).next().is_none();
            for logged in self.log.range(&stream, want.first, want.last) {
                bytes += logged.payload.len();
                if bytes > ANSWER_BYTES_MAX {
                    break;
                }
                answers.push((want.scope.clone(), logged.round, logged.payload.clone()));
            }
        }
        answers
            .into_iter()
            .for_each(|(scope, round, payload)| self.push(vec![from], scope, round, payload, fx));
        self.trees.schedule(now, self.config.vector_hold_ms);
        if forgotten {
            // We may hold it without its payload: anti-entropy has brought it.
            fx.push(BroadcastEffect::Sync(from));
        }
        self.look_ahead();
    }

    /// A neighbour tells distances.
    pub fn on_vector(&mut self, from: NodeId, bytes: &[u8], now: Time) {
        self.counters.refused += self.trees.hear(from, bytes);
        self.trees.schedule(now, self.config.vector_hold_ms);
        self.look_ahead();
    }

    /// Announcements that ride on a probe.
    pub fn ride(&mut self, peer: NodeId) -> Option<Vec<Have>> {
        let haves = self.links.get_mut(&peer)?.take(self.config.ride_max);
        if haves.is_empty() {
            return None;
        }
        self.look_ahead();
        Some(haves)
    }

    /// Does what is due: announces, asks, tells distances.
    pub fn tick(&mut self, now: Time, known: &dyn Known, fx: &mut Vec<BroadcastEffect>) {
        for (peer, link) in &mut self.links {
            while link.due.is_some_and(|due| due <= now) {
                self.counters.announcements_sent += 1;
                fx.push(BroadcastEffect::Have(*peer, link.take(self.config.haves_max)));
            }
        }
        self.graft_missing(now, known, fx);
        self.trees.lift_floors(now);
        self.trees.schedule(now, self.config.vector_hold_ms);
        for (peer, bytes) in self.trees.take_due(now, &self.config) {
            self.counters.vectors_sent += 1;
            self.counters.vector_bytes_sent += bytes.len() as u64;
            fx.push(BroadcastEffect::Vector(peer, bytes));
        }
        self.look_ahead();
    }

    fn note_missing(&mut self, stream: Stream, (first, last): (u64, u64), from: NodeId, now: Time) {
        let patience_ms = self.patience_ms(stream.actor.node, from);
        let patience_ms =
            if stream.scope.is_cast() { patience_ms.max(CAST_PATIENCE_MS) } else { patience_ms };
        let due = now.plus_ms(patience_ms);
        if let Some(missing) = self.missing.get_mut(&stream) {
            missing.announced(from, last, due);
            return;
        }
        if self.missing.len() >= self.config.missing_max {
            self.counters.dropped += 1;
            return;
        }
        let announcers = [from].into();
        self.missing.insert(stream, Missing { first, last, announcers, due, asked: None, tries: 0 });
    }

    /// How long a payload is given to come by itself. As long as there is a parent it should come from there, even if that
    /// one has to ask for it first: otherwise all below a broken link would ask at once, and then push to each other.
    fn patience_ms(&self, author: NodeId, announcer: NodeId) -> u64 {
        let of = |peer| graft_ms(&self.trees, &self.config, peer);
        match self.trees.parent(author).filter(|parent| *parent != announcer) {
            Some(parent) => of(announcer) + 2 * of(parent) + self.config.alert_ms,
            None => of(announcer),
        }
    }

    /// Asks the next announcer of each payload that did not come; when none is left, anti-entropy has to bring it.
    fn graft_missing(&mut self, now: Time, known: &dyn Known, fx: &mut Vec<BroadcastEffect>) {
        let due: Vec<Stream> =
            self.missing.iter().filter(|(_, m)| m.due <= now).map(|(stream, _)| stream.clone()).collect();
        let mut wants: BTreeMap<NodeId, Vec<Want>> = BTreeMap::new();
        let mut sync = BTreeSet::new();
        for stream in due {
            let missing = self.missing.get_mut(&stream).expect("listed above");
            let Some(first) = known.first_missing(&stream.scope, stream.actor, missing.last) else {
                self.missing.remove(&stream);
                continue;
            };
            let progress = first > std::mem::replace(&mut missing.first, first);
            if progress && (missing.asked.is_none() || stream.scope.is_cast()) {
                // It comes by itself, only later than it was announced: a busy parent's link, or our own backlog. Or an answer
                // is on its way.
                missing.tries = 0;
                missing.due = now.plus_ms(PROGRESS_MS);
                continue;
            }
            if first == 1 && known.is_brought(&stream.scope) {
                // To a newcomer: it would be sent all that is recent twice.
                missing.due = now.plus_ms(PROGRESS_MS);
                continue;
            }
            if stream.scope.is_cast() {
                // An answer has its limit and may be lost, and no comparison brings the rest.
                let again =
                    missing.asked.filter(|_| missing.announcers.is_empty() && missing.tries < TRIES_MAX);
                missing.announcers.extend(again);
            }
            let next = std::iter::from_fn(|| missing.announcers.pop_front());
            let Some(next) = next.into_iter().find(|peer| self.links.contains_key(peer)) else {
                let (asked, last) = (missing.asked, missing.last);
                self.missing.remove(&stream);
                match asked {
                    Some(peer) if !stream.scope.is_cast() => _ = sync.insert(peer),
                    // Where no link is left nothing is certain: the next begins with announcements.
                    Some(by) if self.links.contains_key(&by) => {
                        fx.push(BroadcastEffect::GivenUp {
                            scope: stream.scope,
                            actor: stream.actor,
                            last,
                            by,
                        });
                    }
                    _ => {}
                }
                continue;
            };
            missing.asked = Some(next);
            missing.tries += 1;
            self.trees.graft(next, stream.actor.node);
            let last = missing.last;
            let patience = 2 * graft_ms(&self.trees, &self.config, next) + self.config.alert_ms;
            // The answer may wait behind much else, and what is given up is told as lost.
            let patience = if stream.scope.is_cast() {
                CAST_PATIENCE_MS << missing.tries.min(TRIES_MAX)
            } else {
                patience
            };
            missing.due = now.plus_ms(patience);
            let want = Want { scope: stream.scope, actor: stream.actor, first, last };
            wants.entry(next).or_default().push(want);
        }
        fx.extend(sync.into_iter().map(BroadcastEffect::Sync));
        for (peer, wants) in wants {
            self.counters.grafts_sent += 1;
            self.alert(now);
            fx.push(BroadcastEffect::Graft(peer, wants));
        }
    }

    fn push(
        &mut self,
        to: Vec<NodeId>,
        scope: ScopeName,
        round: u8,
        payload: Bytes,
        fx: &mut Vec<BroadcastEffect>,
    ) {
        self.counters.payloads_sent += to.len() as u64;
        fx.push(BroadcastEffect::Push { to, scope, round: round.saturating_add(1), payload });
    }

    /// Something is not as it was: announcements do not wait.
    fn alert(&mut self, now: Time) {
        self.alert_until = now.plus_ms(self.config.alert_span_ms);
        let soon = now.plus_ms(self.config.alert_ms);
        for link in self.links.values_mut() {
            link.due = link.due.map(|due| due.min(soon));
        }
    }
}

/// How long a payload that a neighbour has announced is given to come by itself: one and a half round trips.
fn graft_ms(trees: &Trees, config: &BroadcastConfig, peer: NodeId) -> u64 {
    let delay = u64::from(trees.delay_ms(peer).unwrap_or_default());
    (delay * 3).max(config.graft_ms_min)
}

/// One way, at least a millisecond: between machines that are near each other a hop costs more than the wire.
fn delay_ms(round_trip_us: u64) -> u16 {
    u16::try_from(round_trip_us.saturating_add(1_000) / 2_000).unwrap_or(u16::MAX).max(1)
}
