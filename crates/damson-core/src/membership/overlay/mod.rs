//! The overlay: which few members each node links to, so that together they stay connected.
//!
//! HyParView (Leitao, Pereira, Rodrigues, DSN 2007): a small *active view* of neighbours, linked both ways, and a larger
//! *passive view* of others from which lost neighbours are replaced. Joins and shuffles are random walks over the links.
//!
//! ```text
//!   newcomer -- Join --> contact -- ForwardJoin, ForwardJoin .. (walk) --> X: links to the newcomer, and gives it one of
//!                                                                          its own neighbours: X-Y becomes X-N-Y
//!   X -- Neighbor --> N      N -- NeighborReply --> X      both are neighbours from the reply on
//!   X -- Disconnect(instead: N) --> Y
//!   A -- Shuffle (walk) --> B      B -- ShuffleReply --> back the same way
//! ```
//!
//! What differs from the paper, and why, stands in `docs/overlay.md`: a newcomer is spliced into links, so that nobody
//! loses a neighbour; who lacks one lets a walk look for another who does; replies go back along the walk instead of over
//! new connections; passive entries age.
//!
//! The node opens and closes links; here is decided which of them are the overlay's.

mod config;
mod given;
mod join;
mod passive;
mod shuffle;
mod survey;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use damson_crdt::NodeId;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use crate::time::Time;
use crate::wire::{Aged, Contact, OverlayMessage};

pub use config::OverlayConfig;
use given::GivenLinks;
pub use given::GivenNeighbors;
use passive::Passive;
use survey::Survey;

/// Something happened.
#[derive(Debug, Clone)]
pub enum OverlayInput {
    /// A link is open.
    LinkOpen {
        /// To whom.
        contact: Contact,
        /// The address that we dialled, if we did.
        dialed: Option<String>,
        /// No path of the overlay leads to it: link to it, whatever must give way.
        apart: bool,
    },
    /// A peer has no link any more.
    LinkClosed(NodeId),
    /// A dial has failed.
    DialFailed(String),
    /// A message came over an open link.
    Message(NodeId, OverlayMessage),
    /// The peer takes us for its neighbour.
    Claimed(NodeId),
    /// Others that could become neighbours.
    Candidates(Vec<Contact>),
    /// A member is gone.
    Gone(NodeId),
    /// Time has passed.
    Tick,
}

/// Something to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OverlayEffect {
    /// Send this over the open link.
    Send(NodeId, OverlayMessage),
    /// Open a link.
    Dial(Contact),
    /// A neighbour more.
    Up(NodeId),
    /// A neighbour less.
    Down(NodeId),
    /// The passive view is exhausted: name others, as [`OverlayInput::Candidates`].
    NeedCandidates,
}

/// What the overlay has done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OverlayCounters {
    /// Neighbours gained.
    pub up: u64,
    /// Neighbours lost.
    pub down: u64,
    /// Walks and replies of those who are no neighbours, ways back that nobody asked for, requests beyond the limit.
    pub refused: u64,
}

/// The state machine.
#[derive(Debug)]
pub struct Overlay {
    config: OverlayConfig,
    own: Contact,
    rng: ChaCha8Rng,
    active: BTreeMap<NodeId, Contact>,
    /// Those whom we have asked to become neighbours.
    asked: BTreeMap<NodeId, Asked>,
    /// The addresses of all peers with an open link.
    open: BTreeMap<NodeId, String>,
    given: GivenLinks,
    passive: Passive,
    /// Ways back of shuffles that passed: the token, whence it came.
    routes: VecDeque<(u64, NodeId)>,
    /// Our own shuffles without an answer: the token, and whom we named.
    shuffles: VecDeque<(u64, Vec<NodeId>)>,
    /// Candidates tried since a neighbour was last lost or found.
    tried: BTreeSet<NodeId>,
    survey: Survey,
    next_fill: Time,
    fill_pause_ms: u64,
    fills: u64,
    next_join: Time,
    next_shuffle: Time,
    /// How many members can be reached, as far as we know.
    members: usize,
    counters: OverlayCounters,
}

#[derive(Debug)]
struct Asked {
    contact: Contact,
    reason: Reason,
    /// The address that is being dialled.
    dialing: bool,
    deadline: Time,
}

/// Longest address that is believed: a host name has at most 253 bytes, and a port.
const ADDRESS_BYTES_MAX: usize = 260;
/// So many times as many members as neighbours are enough to be choosy.
const CROWD: usize = 8;

/// Why somebody is asked to become a neighbour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    /// There is room.
    Fill,
    /// It joins: one of our neighbours goes over to it.
    Splice,
    /// No path leads to it: both ends make room.
    Bridge,
}

impl Overlay {
    /// A state machine that draws from `rng`. `own` is where others dial this node.
    pub fn new(mut config: OverlayConfig, own: Contact, mut rng: ChaCha8Rng, now: Time) -> Self {
        config.active = config.active.max(OverlayConfig::ACTIVE_MIN);
        let first = rng.next_u64() % config.shuffle_ms.max(1);
        Self {
            passive: Passive::new(config.passive),
            fill_pause_ms: config.fill_ms_min,
            next_shuffle: now.plus_ms(first),
            config,
            own,
            rng,
            active: BTreeMap::new(),
            asked: BTreeMap::new(),
            open: BTreeMap::new(),
            given: GivenLinks::default(),
            routes: VecDeque::new(),
            shuffles: VecDeque::new(),
            tried: BTreeSet::new(),
            survey: Survey::none(),
            next_fill: now,
            fills: 0,
            next_join: now,
            members: 0,
            counters: OverlayCounters::default(),
        }
    }

    /// The neighbours.
    pub fn active(&self) -> impl Iterator<Item = NodeId> {
        self.active.keys().copied()
    }

    /// The passive view.
    pub fn passive(&self) -> impl Iterator<Item = NodeId> {
        self.passive.ids()
    }

    /// Is this peer a neighbour?
    pub fn is_neighbor(&self, peer: NodeId) -> bool {
        self.active.contains_key(&peer)
    }

    /// Is the link to this peer needed, as a neighbour's or to ask it?
    pub fn needs(&self, peer: NodeId) -> bool {
        self.active.contains_key(&peer) || self.asked.contains_key(&peer)
    }

    /// Has it no neighbour at all?
    pub fn is_lonely(&self) -> bool {
        self.active.is_empty()
    }

    /// Would one more neighbour fit?
    pub fn has_room(&self) -> bool {
        let reserved = self.asked.values().filter(|asked| asked.reason == Reason::Fill).count();
        self.active.len() + reserved < self.limit()
    }

    /// About so many members can be reached: where there are many, a node may choose.
    pub fn set_members(&mut self, members: usize) {
        self.members = members;
    }

    /// What it has done so far.
    pub fn counters(&self) -> OverlayCounters {
        self.counters
    }

    /// When [`OverlayInput::Tick`] is due.
    pub fn deadline(&self) -> Time {
        let asked = self.asked.values().map(|asked| asked.deadline);
        if self.given().is_some() {
            return asked.fold(Time(u64::MAX), Time::min);
        }
        let fill = if self.has_room() { self.next_fill } else { Time(u64::MAX) };
        let join = if self.may_rejoin() { self.next_join } else { Time(u64::MAX) };
        asked.fold(self.next_shuffle, Time::min).min(fill).min(join).min(self.survey.due())
    }

    /// Takes in what happened, and says what to do.
    pub fn handle(&mut self, input: OverlayInput, now: Time, fx: &mut Vec<OverlayEffect>) {
        if self.given().is_some() {
            return self.handle_given(input, now, fx);
        }
        match input {
            OverlayInput::LinkOpen { contact, dialed, apart } => {
                let reason = if apart { Reason::Bridge } else { Reason::Fill };
                self.on_open(contact, dialed, reason, now, fx);
            }
            OverlayInput::LinkClosed(peer) => self.on_closed(peer, now, fx),
            OverlayInput::DialFailed(address) => self.on_dial_failed(&address, now),
            OverlayInput::Message(from, message) => self.on_message(from, message, now, fx),
            OverlayInput::Claimed(peer) => self.on_claimed(peer, fx),
            OverlayInput::Candidates(contacts) => self.on_candidates(contacts, now),
            OverlayInput::Gone(id) => self.passive.remove(id),
            OverlayInput::Tick => self.check_asked(now),
        }
        self.rejoin(now, fx);
        self.shuffle_if_due(now, fx);
        self.fill(now, fx);
        self.survey(now, fx);
    }

    fn on_claimed(&mut self, peer: NodeId, fx: &mut Vec<OverlayEffect>) {
        if !self.needs(peer) {
            fx.push(OverlayEffect::Send(peer, OverlayMessage::Disconnect { instead: None }));
        }
    }

    fn on_message(&mut self, from: NodeId, message: OverlayMessage, now: Time, fx: &mut Vec<OverlayEffect>) {
        match message {
            OverlayMessage::Join => self.on_join(from, now, fx),
            OverlayMessage::Neighbor { urgent, neighbors } => {
                self.on_neighbor(from, urgent, &neighbors, now, fx)
            }
            OverlayMessage::NeighborReply { accepted, neighbors } => {
                self.on_reply(from, accepted, &neighbors, now, fx)
            }
            OverlayMessage::Disconnect { instead } => self.on_disconnect(from, instead, now, fx),
            OverlayMessage::ShuffleReply { token, sample } => self.on_shuffle_reply(token, sample, fx),
            _ if !self.is_neighbor(from) => self.counters.refused += 1,
            OverlayMessage::ForwardJoin { who, ttl, hops, urgent } => {
                let walk = join::Walk { who, ttl, hops, urgent };
                self.on_walk(from, walk, now, fx);
            }
            OverlayMessage::Shuffle { token, ttl, sample } => self.on_shuffle(from, token, ttl, sample, fx),
        }
    }

    fn on_open(
        &mut self,
        contact: Contact,
        dialed: Option<String>,
        reason: Reason,
        now: Time,
        fx: &mut Vec<OverlayEffect>,
    ) {
        let id = contact.id;
        self.open.insert(id, contact.address.clone());
        if let Some(address) = &dialed {
            // Somebody else lives there now.
            self.forget_asked(now, |asked| {
                asked.dialing && asked.contact.address == *address && asked.contact.id != id
            });
        }
        if let Some(asked) = self.asked.get_mut(&id) {
            // Not a bridge, even where no path is known: while many join paths are told later than links are made, and a bridge
            // makes triangles.
            asked.dialing = false;
            asked.deadline = now.plus_ms(self.config.reply_ms);
            let urgent = asked.reason == Reason::Bridge || self.active.is_empty();
            fx.push(OverlayEffect::Send(id, self.request(urgent)));
        } else if dialed.is_some() && self.is_lonely() {
            self.next_join = now.plus_ms(self.config.reply_ms);
            fx.push(OverlayEffect::Send(id, OverlayMessage::Join));
        } else if dialed.is_some() && (reason == Reason::Bridge || self.has_room()) {
            self.ask(contact, reason, now, fx);
        }
    }

    fn on_closed(&mut self, peer: NodeId, now: Time, fx: &mut Vec<OverlayEffect>) {
        let address = self.open.remove(&peer);
        self.asked.remove(&peer);
        if self.active.remove(&peer).is_some() {
            self.counters.down += 1;
            fx.push(OverlayEffect::Down(peer));
            self.plan_survey(now);
            // Perhaps it was only the link: it is tried again, but named to nobody for long.
            let contact = Contact { id: peer, address: address.unwrap_or_default() };
            self.remember(Aged { contact, age: u16::MAX / 2 });
            self.hurry(now);
        }
    }

    fn on_dial_failed(&mut self, address: &str, now: Time) {
        self.passive.distrust(address);
        self.forget_asked(now, |asked| asked.dialing && asked.contact.address == address);
    }

    /// Requests that have come to nothing. The next candidate is tried at once.
    fn forget_asked(&mut self, now: Time, fails: impl Fn(&Asked) -> bool) {
        let failed: Vec<NodeId> =
            self.asked.iter().filter(|(_, asked)| fails(asked)).map(|(id, _)| *id).collect();
        for id in failed {
            self.asked.remove(&id);
            self.passive.remove(id);
            self.next_fill = self.next_fill.min(now);
        }
    }

    fn check_asked(&mut self, now: Time) {
        self.forget_asked(now, |asked| now >= asked.deadline);
    }

    /// Asks somebody to become a neighbour, over a link that is opened if need be.
    fn ask(&mut self, contact: Contact, reason: Reason, now: Time, fx: &mut Vec<OverlayEffect>) {
        let id = contact.id;
        if id == self.own.id || self.needs(id) {
            return;
        }
        if self.asked.len() >= self.config.asked_max {
            self.counters.refused += 1;
            return;
        }
        let dialing = !self.open.contains_key(&id);
        if dialing && !is_dialable(&contact) {
            return;
        }
        if dialing {
            fx.push(OverlayEffect::Dial(contact.clone()));
        } else {
            let urgent = reason == Reason::Bridge || self.active.is_empty();
            fx.push(OverlayEffect::Send(id, self.request(urgent)));
        }
        let wait = self.config.reply_ms * if dialing { 3 } else { 1 };
        self.asked.insert(id, Asked { contact, reason, dialing, deadline: now.plus_ms(wait) });
    }

    fn request(&self, urgent: bool) -> OverlayMessage {
        OverlayMessage::Neighbor { urgent, neighbors: self.active.keys().copied().collect() }
    }

    /// Triangles are redundant links: they make paths longer elsewhere. Where there are many members others can be had.
    fn makes_triangle(&self, neighbors: &[NodeId]) -> bool {
        let has_choice = self.given().is_none() && self.members > self.config.active * CROWD;
        has_choice && self.active.len() > 1 && neighbors.iter().any(|other| self.is_neighbor(*other))
    }

    fn on_neighbor(
        &mut self,
        from: NodeId,
        urgent: bool,
        neighbors: &[NodeId],
        now: Time,
        fx: &mut Vec<OverlayEffect>,
    ) {
        let Some(address) = self.open.get(&from) else { return };
        let contact = Contact { id: from, address: address.clone() };
        let mutual = self.asked.remove(&from);
        // Places may be reserved for those who never answer; whoever has no neighbour takes the first that offers itself.
        let fits = self.is_lonely() || (self.has_room() && !self.makes_triangle(neighbors));
        let accepted = mutual.is_some() || urgent || self.is_neighbor(from) || fits;
        let neighbors = self.active.keys().copied().collect();
        fx.push(OverlayEffect::Send(from, OverlayMessage::NeighborReply { accepted, neighbors }));
        if accepted {
            let spliced = mutual.is_some_and(|asked| asked.reason == Reason::Splice);
            self.activate(contact, spliced, now, fx);
        } else {
            self.remember(Aged { contact, age: 0 });
        }
    }

    fn on_reply(
        &mut self,
        from: NodeId,
        accepted: bool,
        neighbors: &[NodeId],
        now: Time,
        fx: &mut Vec<OverlayEffect>,
    ) {
        let Some(asked) = self.asked.remove(&from) else {
            if accepted && !self.is_neighbor(from) {
                fx.push(OverlayEffect::Send(from, OverlayMessage::Disconnect { instead: None }));
            }
            return;
        };
        let unwanted = asked.reason != Reason::Bridge && self.makes_triangle(neighbors);
        if accepted && !unwanted {
            self.activate(asked.contact, asked.reason == Reason::Splice, now, fx);
        } else {
            if accepted {
                fx.push(OverlayEffect::Send(from, OverlayMessage::Disconnect { instead: None }));
            }
            self.tried.insert(from);
            self.remember(Aged { contact: asked.contact, age: 0 });
        }
    }

    fn on_disconnect(
        &mut self,
        from: NodeId,
        instead: Option<Contact>,
        now: Time,
        fx: &mut Vec<OverlayEffect>,
    ) {
        let Some(contact) = self.active.remove(&from) else { return };
        self.counters.down += 1;
        fx.push(OverlayEffect::Down(from));
        self.remember(Aged { contact, age: 0 });
        self.hurry(now);
        match instead {
            Some(other) if self.has_room() => self.ask(other, Reason::Fill, now, fx),
            _ => {}
        }
    }

    /// A neighbour more. If that is one too many, another goes: over to the new one where that was spliced in.
    fn activate(&mut self, contact: Contact, spliced: bool, now: Time, fx: &mut Vec<OverlayEffect>) {
        let id = contact.id;
        self.passive.remove(id);
        self.fill_pause_ms = self.config.fill_ms_min;
        self.tried.clear();
        self.next_fill = self.next_fill.min(now);
        // One that asks although it is a neighbour has lost what it knew of us: it is told again.
        self.counters.up += u64::from(self.active.insert(id, contact.clone()).is_none());
        fx.push(OverlayEffect::Up(id));
        while self.active.len() > self.limit() {
            let others = self.active.keys().copied().filter(|other| *other != id).collect();
            let Some(other) = pick(others, 1, &mut self.rng).pop() else { return };
            let given = self.active.remove(&other).expect("it was picked there");
            self.counters.down += 1;
            fx.push(OverlayEffect::Down(other));
            let instead = spliced.then(|| contact.clone());
            fx.push(OverlayEffect::Send(other, OverlayMessage::Disconnect { instead }));
            self.remember(Aged { contact: given, age: 0 });
        }
    }

    /// Enters somebody into the passive view.
    fn remember(&mut self, entry: Aged) {
        self.remember_instead(entry, &[]);
    }

    fn remember_instead(&mut self, entry: Aged, expendable: &[NodeId]) {
        let contact = &entry.contact;
        if contact.id != self.own.id && !self.is_neighbor(contact.id) && is_dialable(contact) {
            self.passive.add(entry, expendable);
        }
    }

    /// Something was lost: look for a replacement now.
    fn hurry(&mut self, now: Time) {
        self.tried.clear();
        self.fill_pause_ms = self.config.fill_ms_min;
        self.next_fill = now;
    }

    /// A random neighbour, but none of these.
    fn random_neighbor(&mut self, but: &[NodeId]) -> Option<NodeId> {
        let others = self.active.keys().copied().filter(|id| !but.contains(id)).collect();
        pick(others, 1, &mut self.rng).pop()
    }
}

/// An address that can be dialled, and that may be kept and passed on.
fn is_dialable(contact: &Contact) -> bool {
    (1..=ADDRESS_BYTES_MAX).contains(&contact.address.len())
}

/// Some random ones of `all`.
fn pick<T>(mut all: Vec<T>, count: usize, rng: &mut ChaCha8Rng) -> Vec<T> {
    let mut picked = Vec::new();
    while picked.len() < count && !all.is_empty() {
        let at = usize::try_from(rng.next_u64() % all.len() as u64).expect("an index");
        picked.push(all.swap_remove(at));
    }
    picked
}
