//! Anti-entropy: makes two replicas equal at a cost that follows their difference.
//!
//! Each second, with a random peer: 15 bytes say whether both are equal (tier 1); they ride on a liveness probe where one goes
//! out anyway. If not, the digests of the scopes say
//! where, and each side pulls what it lacks (tier 2: contexts; when a missing dot lies below the source's floor, tier 3:
//! sketches, or tier 4: everything, for who has hardly anything). A pull is a session: the receiver asks for each part, so that it sets the pace and a lost message is
//! asked for again. Where plain cells follow it asks ahead, for as many parts as the link carries in a round trip (`pace`);
//! as long as an answer depends on what it demands, for one after the other. One inbound session at a time; rounds are
//! jittered.
//!
//! ```text
//!   A -- Check(digest) ---> B         equal: Equal, done
//!   A <-- Digests(scopes) - B         else
//!   A -- Pull(request) ---> B         for each scope that differs; B pulls back when A has seen more
//!   A <-- Chunk(0) -------- B
//!   A -- Next(1, demand) -> B
//!   A <-- Chunk(1) -------- B         no symbols, no demand: from here on it asks ahead
//!   A -- Next(2), (3) ----> B
//!   A <-- Chunk(2) -------- B
//!   A -- Next(4) ---------> B
//!   A <-- Chunk(3, last) -- B         A commits: all cells and the context at once. There is no part 4
//! ```
//!
//! Requests, demands and chunks are opaque here: [`Scopes`] is what the node offers. Tier 3, reconciliation by sketches, is a
//! session whose first chunks are symbols, and which serves both directions: the source pulls back after it, and not at once.

mod budget;
mod inbound;
mod outbound;
mod pace;
mod sessions;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use damson_crdt::NodeId;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use budget::Budget;
use inbound::Inbound;
use outbound::Outbound;
use pace::Pace;

pub use sessions::{Session, SessionEnd};

use crate::scope::ScopeName;
use crate::time::Time;
use crate::wire::{Ahead, Message, ScopeDigest, SyncMessage};

/// Timing and bounds of anti-entropy.
#[derive(Debug, Clone)]
pub struct SyncConfig {
    /// A round begins about this often, in milliseconds. Default 1,000: an equal pair costs 16 bytes, and what a
    /// broadcast lost is repaired within seconds. Jittered by a quarter in both directions.
    pub interval_ms: u64,
    /// Peers with whom a round is, at random, fewer where there are fewer. Default 1: the cost of a difference is paid once, and what one
    /// has learned the next has a round later. With more, rounds send frames of their own instead of riding on probes.
    pub fanout: usize,
    /// A round waits, four times at most, for a pause of this length in the operations that come and go by themselves, in
    /// milliseconds: what is under way would be brought twice. Default 100; with 0 none waits.
    pub pause_ms: u64,
    /// A lost part is asked for again after this time, in milliseconds. Default 500.
    pub retry_ms: u64,
    /// A session without progress is given up after this time, in milliseconds. Default 5,000.
    pub stall_ms: u64,
    /// About how large a part is at most, in bytes. Default 256 KiB: large enough to keep a link busy, small enough that
    /// liveness probes are not held up. Where parts come late they are smaller.
    pub chunk_bytes: usize,
    /// Parts that a receiver asks for before they have come, at most; 1 asks for one after the other. Default 64. Times
    /// `chunk_bytes` it is what may be under way (16 MiB at most), and over the round trip the most that a session takes in
    /// a second: 160 MB with a round trip of 100 ms, and an eighth of that with 8. What is under way has to be kept by the
    /// source, waits at the receiver when a part in front of it was lost, and is sent in vain when the session is given up.
    /// Slow links have less under way, as much as they carry in half a second beyond their round trip.
    pub parts_ahead_max: usize,
    /// Bytes that inbound sessions take in a second. Default 256 MiB, which bounds only what is faster than most networks; less
    /// leaves room on a narrow link for other things. It counts what was asked for, before it comes. A part is asked for each
    /// half of `stall_ms` all the same.
    pub bytes_per_s_max: u64,
    /// Sessions served at once. Default 8. More are told to come later.
    pub outbound_max: usize,
    /// Most bytes that one inbound session may stage. Default 8 GiB.
    pub staged_bytes_max: u64,
}

/// What the node offers to anti-entropy.
pub trait Scopes {
    /// 16 bytes over all scopes that this peer hosts too.
    fn digest(&self, peer: NodeId) -> [u8; 16];
    /// The same, scope by scope.
    fn digests(&self, peer: NodeId) -> Vec<ScopeDigest>;
    /// Begins to receive a scope, and says what to ask for. `compared` is our transfer to the source by which both were
    /// compared. Creates the scope when it is unknown and may be hosted.
    fn request(&mut self, scope: &ScopeName, compared: Option<u64>) -> Option<Vec<u8>>;
    /// Opens a transfer to a peer. False when the scope or the request is impossible.
    fn open(&mut self, scope: &ScopeName, id: u64, peer: NodeId, request: &[u8]) -> bool;
    /// The next part of a transfer. `None` for a demand that is none.
    fn chunk(&mut self, scope: &ScopeName, id: u64, bytes_max: usize, demand: &[u8]) -> Option<Part>;
    /// Gives up a transfer.
    fn close(&mut self, scope: &ScopeName, id: u64);
    /// Takes a part of the inbound transfer, the peer's with this number, and commits it with the last.
    fn stage(&mut self, scope: &ScopeName, peer: NodeId, transfer: u64, body: &[u8]) -> Staged;
    /// Forgets what is staged.
    fn unstage(&mut self);
}

/// A part of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What the receiver stages.
    pub body: Vec<u8>,
    /// Is it the last?
    pub is_last: bool,
    /// When to pull back, if that has become known: with the first part, or when the receiver has told what it has seen.
    pub opened: Option<Opened>,
}

/// When to pull back from a peer that pulls from us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opened {
    /// Not at all: it has seen nothing that we have not.
    Ahead,
    /// Now.
    Behind,
    /// When it has all: then both have been compared.
    Compares,
}

/// What became of a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Staged {
    /// More is to come, and this is to be asked for.
    More(Vec<u8>),
    /// It was the last: the state was entered.
    Done,
    /// It cannot be believed: the session is over, nothing was entered.
    Refused,
}

/// What anti-entropy wants done.
#[derive(Debug, Clone, PartialEq)]
pub enum SyncEffect {
    /// Send this.
    Send(NodeId, Message),
    /// We agreed with this peer in all scopes at one instant, or have pulled all that it had.
    Synced(NodeId),
}

/// What anti-entropy has done since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct SyncCounters {
    /// Rounds begun.
    pub rounds: u64,
    /// Rounds that found both equal.
    pub equal: u64,
    /// Inbound sessions completed.
    pub pulled: u64,
    /// Inbound sessions given up.
    pub failed: u64,
    /// Parts and messages that could not be believed.
    pub refused: u64,
    /// Sessions begun, in both directions.
    pub begun: u64,
    /// Sessions that were cancelled at this end, in both directions.
    pub cancelled: u64,
}

/// The state machine.
#[derive(Debug)]
pub struct Sync {
    config: SyncConfig,
    rng: ChaCha8Rng,
    next_round: Time,
    /// When operations last went out or came in by themselves.
    flowed: Option<Time>,
    /// Rounds put off since the last.
    put_off: u32,
    next_session: u64,
    inbound: Option<Inbound>,
    budget: Budget,
    /// What the links of peers have carried, as the last pull from each has shown.
    paces: BTreeMap<NodeId, Pace>,
    /// What to pull next. A peer and scope stands here once.
    wanted: VecDeque<Wish>,
    outbound: BTreeMap<(NodeId, u64), Outbound>,
    /// Peers of whom a pull has failed since they last told us their digests.
    incomplete: BTreeSet<NodeId>,
    next_outbound: u64,
    counters: SyncCounters,
}

/// What is to be pulled.
#[derive(Debug)]
struct Wish {
    peer: NodeId,
    scope: ScopeName,
    /// Our transfer to the peer in which both were compared.
    compared: Option<u64>,
}

/// Less within `stall_ms` is no progress: a peer that sends next to nothing must not keep others from being pulled from.
const PROGRESS_BYTES_MIN: u64 = 4_096;
/// Sessions kept in memory, ended ones included.
const OUTBOUND_KEPT_MAX: usize = 1_024;
/// Bytes of parts that ended sessions keep, in case they were lost. Beyond it the oldest forget theirs.
const OUTBOUND_BYTES_MAX: u64 = 64 << 20;
/// Peers and scopes that may wait for their pull.
const WANTED_MAX: usize = 1_024;
/// Rounds that are put off for want of a pause.
const PUT_OFF_MAX: u32 = 4;

impl Default for SyncConfig {
    fn default() -> Self {
        Self {
            interval_ms: 1_000,
            fanout: 1,
            pause_ms: 100,
            retry_ms: 500,
            stall_ms: 5_000,
            chunk_bytes: 256 << 10,
            parts_ahead_max: 64,
            bytes_per_s_max: 256 << 20,
            outbound_max: 8,
            staged_bytes_max: 8 << 30,
        }
    }
}

impl Sync {
    /// A state machine that draws from `rng`.
    ///
    /// Sessions and transfers are numbered from a random start, so that a peer that still remembers our process before
    /// a restart cannot take one for another.
    pub fn new(config: SyncConfig, mut rng: ChaCha8Rng, now: Time) -> Self {
        let (next_session, next_outbound) = (rng.next_u64() >> 33, rng.next_u64() >> 33);
        Self {
            next_round: now,
            flowed: None,
            put_off: 0,
            budget: Budget::new(config.bytes_per_s_max, now),
            config,
            rng,
            next_session,
            inbound: None,
            paces: BTreeMap::new(),
            wanted: VecDeque::new(),
            outbound: BTreeMap::new(),
            incomplete: BTreeSet::new(),
            next_outbound,
            counters: SyncCounters::default(),
        }
    }

    /// What was done so far.
    pub fn counters(&self) -> SyncCounters {
        self.counters
    }

    /// When [`Sync::tick`] wants to be called.
    pub fn deadline(&self) -> Time {
        let inbound = self.inbound.as_ref().map_or(Time(u64::MAX), |inbound| inbound.deadline(&self.config));
        self.next_round.min(inbound)
    }

    /// Begins a round with a peer now.
    pub fn begin(&mut self, peer: NodeId, scopes: &dyn Scopes, fx: &mut Vec<SyncEffect>) {
        self.counters.rounds += 1;
        fx.push(SyncEffect::Send(peer, Message::Check(beginning(scopes.digest(peer)))));
    }

    /// Tells a peer how we are, so that it pulls what it lacks.
    pub fn offer(&mut self, peer: NodeId, scopes: &dyn Scopes, fx: &mut Vec<SyncEffect>) {
        fx.push(send(peer, SyncMessage::Digests(scopes.digests(peer))));
    }

    /// A probe goes to this peer, and the next in about `period_ms`: a round that is due by then rides on this one. Says what
    /// the probe is to carry.
    pub fn ride(
        &mut self,
        peer: NodeId,
        now: Time,
        period_ms: u64,
        scopes: &mut dyn Scopes,
    ) -> Option<[u8; 8]> {
        let window_ms = period_ms.min(self.config.interval_ms);
        if self.config.fanout > 1 || self.next_round > now.plus_ms(window_ms) {
            return None;
        }
        self.drop_idle(now, scopes);
        // By itself only when the next probe is late.
        self.next_round = now.plus_ms(self.jittered(self.config.interval_ms) + window_ms / 2);
        if self.puts_off(now) {
            return None;
        }
        self.counters.rounds += 1;
        Some(beginning(scopes.digest(peer)))
    }

    /// Operations go out or come in by themselves just now.
    pub fn flows(&mut self, now: Time) {
        self.flowed = Some(now);
    }

    /// What is under way differs, and would come twice: a round waits for a pause. But not for ever, should there be none.
    fn puts_off(&mut self, now: Time) -> bool {
        let flows = self.flowed.is_some_and(|at| now.ms_since(at) < self.config.pause_ms);
        let puts_off = flows && self.put_off < PUT_OFF_MAX;
        self.put_off = if puts_off { self.put_off + 1 } else { 0 };
        puts_off
    }

    /// Does what is due: a round with a random one of `peers`, asking again, giving up.
    pub fn tick(&mut self, now: Time, peers: &[NodeId], scopes: &mut dyn Scopes, fx: &mut Vec<SyncEffect>) {
        self.retry(now, scopes, fx);
        self.drop_idle(now, scopes);
        if now >= self.next_round {
            self.next_round = now.plus_ms(self.jittered(self.config.interval_ms));
            if !peers.is_empty() && !self.puts_off(now) {
                self.begin_round(peers.to_vec(), scopes, fx);
            }
        }
        self.pull_next(now, scopes, fx);
    }

    fn begin_round(&mut self, mut peers: Vec<NodeId>, scopes: &dyn Scopes, fx: &mut Vec<SyncEffect>) {
        for _ in 0..self.config.fanout.min(peers.len()) {
            let at = usize::try_from(self.rng.next_u64() % peers.len() as u64).expect("an index");
            self.begin(peers.swap_remove(at), scopes, fx);
        }
    }

    /// Is a session with this peer under way?
    pub fn is_busy(&self, peer: NodeId) -> bool {
        let inbound = self.inbound.as_ref().is_some_and(|inbound| inbound.peer == peer);
        let outbound = self.outbound.iter().any(|((p, _), outbound)| *p == peer && !outbound.ended);
        inbound || outbound || self.wanted.iter().any(|wish| wish.peer == peer)
    }

    /// A peer is gone: its sessions end.
    pub fn peer_down(&mut self, peer: NodeId, now: Time, scopes: &mut dyn Scopes, fx: &mut Vec<SyncEffect>) {
        self.wanted.retain(|wish| wish.peer != peer);
        self.incomplete.remove(&peer);
        self.paces.remove(&peer);
        let gone: Vec<_> = self.outbound.keys().filter(|(p, _)| *p == peer).copied().collect();
        for key in gone {
            self.close(key, scopes);
        }
        if self.inbound.as_ref().is_some_and(|inbound| inbound.peer == peer) {
            self.give_up(scopes);
            self.pull_next(now, scopes, fx);
        }
    }

    /// Takes a message.
    pub fn handle(
        &mut self,
        peer: NodeId,
        message: SyncMessage,
        now: Time,
        scopes: &mut dyn Scopes,
        fx: &mut Vec<SyncEffect>,
    ) {
        match message {
            SyncMessage::Digests(theirs) => self.on_digests(peer, &theirs, now, scopes, fx),
            SyncMessage::Pull { session, scope, request, bytes_max } => {
                self.on_pull(peer, session, scope, (&request, bytes_max), now, scopes, fx);
            }
            SyncMessage::Chunk { session, transfer, number, body } => {
                self.on_chunk(peer, session, (transfer, number), body, now, scopes, fx);
            }
            SyncMessage::Next { session, transfer, number, demand, ahead } => {
                self.on_next(peer, session, (transfer, number), (&demand, ahead), now, scopes, fx);
            }
            SyncMessage::Abort { session } => self.on_abort(peer, session, now, scopes, fx),
        }
    }

    /// A peer asks whether we are equal. We are, or it is told how we differ.
    pub fn on_check(
        &mut self,
        peer: NodeId,
        theirs: [u8; 8],
        scopes: &dyn Scopes,
        fx: &mut Vec<SyncEffect>,
    ) -> bool {
        let equal = beginning(scopes.digest(peer)) == theirs;
        fx.push(match equal {
            true => SyncEffect::Synced(peer),
            false => send(peer, SyncMessage::Digests(scopes.digests(peer))),
        });
        equal
    }

    /// A peer is equal to us.
    pub fn on_equal(&mut self, peer: NodeId, fx: &mut Vec<SyncEffect>) {
        self.counters.equal += 1;
        fx.push(SyncEffect::Synced(peer));
    }

    fn on_digests(
        &mut self,
        peer: NodeId,
        theirs: &[ScopeDigest],
        now: Time,
        scopes: &mut dyn Scopes,
        fx: &mut Vec<SyncEffect>,
    ) {
        let ours: BTreeMap<ScopeName, [u8; 16]> =
            scopes.digests(peer).into_iter().map(|own| (own.scope, own.digest)).collect();
        let differing: Vec<&ScopeDigest> =
            theirs.iter().filter(|t| !t.empty && ours.get(&t.scope) != Some(&t.digest)).collect();
        self.incomplete.remove(&peer);
        if differing.is_empty() {
            fx.push(SyncEffect::Synced(peer));
        }
        differing.into_iter().for_each(|their| self.want(peer, &their.scope, None));
        self.pull_next(now, scopes, fx);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one message, and the surroundings of every handler"
    )]
    fn on_pull(
        &mut self,
        peer: NodeId,
        session: u64,
        scope: ScopeName,
        (request, bytes_max): (&[u8], Option<u64>),
        now: Time,
        scopes: &mut dyn Scopes,
        fx: &mut Vec<SyncEffect>,
    ) {
        if let Some(id) = self.outbound.get(&(peer, session)).filter(|o| o.scope == scope).map(|o| o.id) {
            self.on_next(peer, session, (id, 0), (&[], None), now, scopes, fx);
            return;
        }
        let id = self.next_outbound;
        let open = self.outbound.values().filter(|outbound| !outbound.ended).count();
        let has_room = open < self.config.outbound_max && self.outbound.len() < OUTBOUND_KEPT_MAX;
        let is_open = has_room && scopes.open(&scope, id, peer, request);
        let bytes_max = self.part_bytes(bytes_max);
        let first = if is_open { scopes.chunk(&scope, id, bytes_max, &[]) } else { None };
        let Some(Part { body, is_last, opened }) = first else {
            fx.push(send(peer, SyncMessage::Abort { session }));
            return;
        };
        self.next_outbound += 1;
        let message = SyncMessage::Chunk { session, transfer: id, number: 0, body: body.clone() };
        fx.push(send(peer, message));
        self.close((peer, session), scopes);
        let number_here = self.next_number();
        let mut outbound = Outbound::new(scope, id, number_here, body, now);
        outbound.ended = is_last;
        self.outbound.insert((peer, session), outbound);
        self.part_was_made((peer, session), opened, now, scopes, fx);
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one message, and the surroundings of every handler"
    )]
    fn on_next(
        &mut self,
        peer: NodeId,
        session: u64,
        (transfer, number): (u64, u64),
        (demand, ahead): (&[u8], Option<Ahead>),
        now: Time,
        scopes: &mut dyn Scopes,
        fx: &mut Vec<SyncEffect>,
    ) {
        let bytes_max = self.part_bytes(ahead.map(|ahead| ahead.bytes_max));
        let Some(outbound) = self.outbound.get_mut(&(peer, session)).filter(|o| o.id == transfer) else {
            fx.push(send(peer, SyncMessage::Abort { session }));
            return;
        };
        let mut made = None;
        outbound.confirm(ahead.map_or(number, |ahead| ahead.have));
        while outbound.is_due(number, ahead.is_some() && demand.is_empty()) {
            match scopes.chunk(&outbound.scope, outbound.id, bytes_max, demand) {
                Some(part) => {
                    made = Some(part.opened.or(made.flatten()));
                    outbound.push(part.body, part.is_last);
                }
                None => {
                    self.counters.refused += 1;
                    break;
                }
            }
        }
        outbound.used = now;
        // Neither what has come nor what is behind the end.
        if let Some(body) = outbound.part(number).cloned() {
            fx.push(send(peer, SyncMessage::Chunk { session, transfer, number, body }));
        }
        if let Some(opened) = made {
            self.part_was_made((peer, session), opened, now, scopes, fx);
        }
    }

    /// Pulls back from a receiver that has something for us, as soon as that is known, or when it has been compared.
    fn part_was_made(
        &mut self,
        key: (NodeId, u64),
        opened: Option<Opened>,
        now: Time,
        scopes: &mut dyn Scopes,
        fx: &mut Vec<SyncEffect>,
    ) {
        let Some(outbound) = self.outbound.get_mut(&key) else { return };
        outbound.compares |= opened == Some(Opened::Compares);
        let ended = outbound.ended;
        let compared = ended && std::mem::take(&mut outbound.compares);
        if compared || opened == Some(Opened::Behind) {
            let (scope, id) = (outbound.scope.clone(), outbound.id);
            self.want(key.0, &scope, compared.then_some(id));
            self.pull_next(now, scopes, fx);
        }
        if ended {
            self.forget_ended();
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "the fields of one message, and the surroundings of every handler"
    )]
    fn on_chunk(
        &mut self,
        peer: NodeId,
        session: u64,
        (transfer, number): (u64, u64),
        body: Vec<u8>,
        now: Time,
        scopes: &mut dyn Scopes,
        fx: &mut Vec<SyncEffect>,
    ) {
        self.budget.take(body.len(), now);
        let Some(inbound) = self.inbound.as_mut().filter(|i| i.peer == peer && i.session == session) else {
            return;
        };
        if inbound.transfer.is_some_and(|begun| begun != transfer) {
            return;
        }
        let Some(again) = inbound.take(number, body, now) else { return };
        inbound.transfer = Some(transfer);
        fx.extend(again.into_iter().map(|question| send(peer, question)));
        if inbound.bytes > self.config.staged_bytes_max {
            self.refuse(scopes);
        }
        self.stage_what_came(now, scopes, fx);
        self.ask(now, fx);
        self.pull_next(now, scopes, fx);
    }

    /// Stages parts in their order, as far as they have come.
    fn stage_what_came(&mut self, now: Time, scopes: &mut dyn Scopes, fx: &mut Vec<SyncEffect>) {
        while let Some(inbound) = self.inbound.as_mut()
            && let Some(body) = inbound.next_part()
        {
            let (peer, transfer) = (inbound.peer, inbound.transfer.expect("a part has come"));
            match scopes.stage(&inbound.scope, peer, transfer, &body) {
                Staged::More(demand) => {
                    if !inbound.goes_on(demand, now) {
                        self.refuse(scopes);
                    }
                }
                Staged::Done => {
                    let ended = self.inbound.take().expect("it is the one whose part was staged");
                    self.paces.insert(peer, ended.into_pace());
                    self.counters.pulled += 1;
                    let more = self.wanted.iter().any(|wish| wish.peer == peer);
                    if !more && !self.incomplete.contains(&peer) {
                        fx.push(SyncEffect::Synced(peer));
                    }
                }
                Staged::Refused => self.refuse(scopes),
            }
        }
    }

    /// Asks for what may be under way, as far as the budget goes.
    fn ask(&mut self, now: Time, fx: &mut Vec<SyncEffect>) {
        let Some(inbound) = self.inbound.as_mut() else { return };
        inbound.due = None;
        while inbound.wants_more() {
            let under_way = inbound.under_way();
            let wait_ms = self.budget.wait_ms(under_way, now).min(self.config.stall_ms / 2);
            if wait_ms > 0 {
                inbound.due = Some(now.plus_ms(wait_ms));
                return;
            }
            fx.push(send(inbound.peer, inbound.ask(now)));
        }
    }

    fn on_abort(
        &mut self,
        peer: NodeId,
        session: u64,
        now: Time,
        scopes: &mut dyn Scopes,
        fx: &mut Vec<SyncEffect>,
    ) {
        // The number is the receiver's, whichever end says it: it is drawn at random, so both ends mean the same session.
        self.close((peer, session), scopes);
        if self.inbound.as_ref().is_some_and(|i| i.peer == peer && i.session == session) {
            self.give_up(scopes);
            self.pull_next(now, scopes, fx);
        }
    }

    fn want(&mut self, peer: NodeId, scope: &ScopeName, compared: Option<u64>) {
        let under_way = self.inbound.as_ref().is_some_and(|i| i.peer == peer && i.scope == *scope);
        let known = under_way || self.wanted.iter().any(|wish| wish.peer == peer && wish.scope == *scope);
        if !known && self.wanted.len() < WANTED_MAX {
            self.wanted.push_back(Wish { peer, scope: scope.clone(), compared });
        }
    }

    fn pull_next(&mut self, now: Time, scopes: &mut dyn Scopes, fx: &mut Vec<SyncEffect>) {
        while self.inbound.is_none()
            && let Some(wish) = self.wanted.pop_front()
        {
            let Some(request) = scopes.request(&wish.scope, wish.compared) else { continue };
            let (peer, session) = (wish.peer, self.next_session);
            self.next_session += 1;
            let pace = self.paces.remove(&peer).map_or_else(|| Pace::new(&self.config), Pace::resumed);
            let mut inbound = Inbound::new(wish, session, self.next_number(), request, pace, now);
            fx.push(send(peer, inbound.ask(now)));
            self.inbound = Some(inbound);
        }
    }

    fn retry(&mut self, now: Time, scopes: &mut dyn Scopes, fx: &mut Vec<SyncEffect>) {
        let Some(inbound) = self.inbound.as_mut() else { return };
        if inbound.has_stalled(&self.config, now) {
            self.give_up(scopes);
            return;
        }
        if inbound.retry(&self.config).is_some_and(|at| now >= at) {
            let (peer, again) = (inbound.peer, inbound.ask_again(now));
            fx.extend(again.map(|question| send(peer, question)));
        }
        if inbound.due.is_some_and(|due| now >= due) {
            if inbound.pauses() {
                // Whatever the budget says by now: it has waited long enough.
                fx.push(send(inbound.peer, inbound.ask(now)));
            }
            self.ask(now, fx);
        }
    }

    fn refuse(&mut self, scopes: &mut dyn Scopes) {
        self.counters.refused += 1;
        self.give_up(scopes);
    }

    fn give_up(&mut self, scopes: &mut dyn Scopes) {
        self.counters.failed += 1;
        self.end_inbound(scopes);
    }

    /// What the link has carried is forgotten too.
    fn end_inbound(&mut self, scopes: &mut dyn Scopes) {
        self.incomplete.extend(self.inbound.take().map(|inbound| inbound.peer));
        scopes.unstage();
    }

    /// Names a session on this node.
    fn next_number(&mut self) -> u64 {
        self.counters.begun += 1;
        self.counters.begun
    }

    fn drop_idle(&mut self, now: Time, scopes: &mut dyn Scopes) {
        let since = now.minus_ms(self.config.stall_ms);
        let idle: Vec<_> =
            self.outbound.iter().filter(|(_, o)| o.used < since).map(|(key, _)| *key).collect();
        idle.into_iter().for_each(|key| self.close(key, scopes));
    }

    fn close(&mut self, key: (NodeId, u64), scopes: &mut dyn Scopes) {
        if let Some(outbound) = self.outbound.remove(&key) {
            scopes.close(&outbound.scope, outbound.id);
        }
    }

    /// Receivers that have come to their end do not say so.
    fn forget_ended(&mut self) {
        let ended =
            || self.outbound.iter().filter(|(_, outbound)| outbound.ended && outbound.kept_bytes() > 0);
        let mut bytes: u64 = ended().map(|(_, outbound)| outbound.kept_bytes()).sum();
        let mut keys: Vec<_> = ended().map(|(key, outbound)| (outbound.used, *key)).collect();
        keys.sort_unstable();
        for (_, key) in keys {
            let Some(outbound) = self.outbound.get_mut(&key).filter(|_| bytes > OUTBOUND_BYTES_MAX) else {
                return;
            };
            bytes -= outbound.kept_bytes();
            outbound.forget_parts();
        }
    }

    /// How large a part is to be. A receiver need not say.
    fn part_bytes(&self, asked: Option<u64>) -> usize {
        let asked = asked.and_then(|bytes| usize::try_from(bytes).ok());
        asked.unwrap_or(pace::FIRST_BYTES).clamp(1, self.config.chunk_bytes.max(1))
    }

    fn jittered(&mut self, ms: u64) -> u64 {
        ms * 3 / 4 + self.rng.next_u64() % (ms / 2).max(1)
    }
}

fn send(peer: NodeId, message: SyncMessage) -> SyncEffect {
    SyncEffect::Send(peer, Message::Sync(message))
}

/// Of two that differ one in 2^64 is taken for equal, until either changes.
fn beginning(digest: [u8; 16]) -> [u8; 8] {
    std::array::from_fn(|at| digest[at])
}
