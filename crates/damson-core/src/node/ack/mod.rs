//! Waiting for others: until members have a write, until a write of another node is here, until all is here that a
//! majority has seen.
//!
//! Whoever waits asks members directly, each by its id, and counts each once. Nothing is summed on the way: trees change,
//! and a member counted twice would be a false acknowledgement.
//!
//! ```text
//!   asker                                        member
//!     |-- Ask Has(author up to n, ...) ------------>|  covers it? as durable as the scope asks?
//!     |                                             |  (waits for the operations, then for the disk)
//!     |<----------------------------- Answer Has ---|
//! ```
//!
//! Those with a link are asked first, neighbours before guests; when they are too few, others are dialled, a bounded number
//! at once. A question that was lost is asked again by a timer that follows the link's round trip. Only the asker's clock
//! ends a wait. The member forgets a question with the link, or when it is not asked again.
//!
//! *To have* a write means: the context covers it and all that the same actor wrote in the scope before, and what the scope
//! keeps on disk is there, as its durability asks.

mod asking;
mod counting;
mod one;
mod questions;
mod seen;
mod token;
mod waits;

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::{Actor, NodeId, codec};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use super::effects::{Effect, Lane};
use super::{Node, Now};
use crate::scope::ScopeName;
use crate::time::Time;
use crate::wire::{Answer, Ask, Have, Message, Question, Said};

use questions::{Asker, Questions};
use seen::Fault;
use waits::{Kind, Wait, Waits};

pub use token::{Token, TokenError};

/// Scopes that one wait may be about.
const PARTS_MAX: usize = 64;
/// What a member tells of what it has seen in one answer, in bytes. It has seen more: both compare first.
const SEEN_BYTES_MAX: usize = 64 << 10;
/// Lives of ours that ended while we ran, and are remembered.
const ENDED_MAX: usize = 64;

/// Bounds of waits.
#[derive(Debug, Clone)]
pub struct AckConfig {
    /// Most waits at once. Default 8,192: one for nearly each client of a busy server, a few megabytes.
    pub waits_max: usize,
    /// Most unanswered questions of one member that are remembered, and most that it is asked. Default 8,192.
    pub questions_per_member_max: usize,
    /// How long a question is remembered that is not asked again, in milliseconds. Default 10,000: several pauses between
    /// two askings.
    pub question_ms_max: u64,
}

/// Who has to have a write before it is acknowledged, among the members that host its scope. The writer itself counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Ack {
    /// The writer. The default.
    #[default]
    Local,
    /// So many members: `N(1)` is `Local`, `N(3)` the writer and two others.
    N(usize),
    /// More than half of all that host the scope and have not left. The dead count among all: they may come back, and
    /// two halves that take each other for dead must not both have a majority.
    Majority,
    /// All that live, as this node sees it when the wait ends. One that is judged dead meanwhile is not waited for.
    All,
}

/// How a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Waited {
    /// It is so.
    Reached {
        /// How many have it, this node included.
        had: usize,
    },
    /// It was not so in time. Nothing was changed, and it may be so a moment later.
    TimedOut {
        /// How many had it, this node included.
        had: usize,
        /// How many should have.
        wanted: usize,
    },
    /// Another process wrote in our name, so nobody can say whose write others have. The write stays here.
    Unsure,
}

/// A wait that was not begun. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// This node does not host the scope.
    #[error("this node does not host the scope")]
    NotHosted,
    /// Too many wait already.
    #[error("the limit of {limit} waits is reached")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// About too many scopes, or none.
    #[error("a wait is about 1 to {max} scopes", max = PARTS_MAX)]
    Scopes,
    /// No roster is kept, so nobody knows who is a member.
    #[error("this node keeps no roster: the members are not known")]
    NoRoster,
    /// The write is of a life that ended because another process wrote in its name.
    #[error("the write's life has ended: another process wrote in its name")]
    Unsure,
    /// No other member has this id, or it has left.
    #[error("no other member has this id, or it has left")]
    NoSuchMember,
    /// The member does not host the scope.
    #[error("the member does not host the scope")]
    NotHostedThere,
    /// The member is dead or cannot be dialled, and there is no link to it.
    #[error("there is no link to the member, and it cannot be dialled")]
    Unreachable,
}

/// What happened with questions and waits, counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct AckCounters {
    /// Waits begun.
    pub begun: u64,
    /// Waits whose time was over.
    pub timed_out: u64,
    /// Questions that could not be, or too many of one member.
    pub refused: u64,
    /// Answers that nobody had asked for.
    pub unasked: u64,
}

/// All that a node waits for, and that others want to know of it.
#[derive(Debug)]
pub(super) struct Acks {
    config: AckConfig,
    questions: Questions,
    waits: Waits,
    /// Numbers of waits begin at random: a member may remember our process before a restart.
    first: u64,
    next: u64,
    /// Scopes that have grown, and somebody waits for that.
    changed: BTreeSet<ScopeName>,
    /// Questions of which nothing is missing any more.
    reached: Vec<Asker>,
    /// Waits that lack what others have seen.
    behind: BTreeSet<u64>,
    /// The ticket that the disk was asked for, and the greatest that is known to be there.
    disk: Option<u64>,
    durable: u64,
    /// Guests on their way, and until when they are waited for.
    dialing: BTreeMap<NodeId, Time>,
    /// When a comparison with a member was last begun for somebody who waits.
    nudged: BTreeMap<NodeId, Time>,
    /// Members have changed, or it shows only now who they are.
    pub members_changed: bool,
    was_joining: bool,
    /// Unconfirmed writes were renamed: by scope the number above which, from which actor, to which.
    renamed: Option<(Actor, Actor, BTreeMap<ScopeName, u64>)>,
    /// Lives of ours whose writes may be confused with another process's.
    ended: Vec<Actor>,
    counters: AckCounters,
}

impl Default for AckConfig {
    fn default() -> Self {
        Self { waits_max: 8_192, questions_per_member_max: 8_192, question_ms_max: 10_000 }
    }
}

impl Acks {
    pub fn new(config: AckConfig, mut rng: ChaCha8Rng) -> Self {
        let first = rng.next_u64() >> 1;
        Self {
            config,
            questions: Questions::default(),
            waits: Waits::default(),
            first,
            next: first,
            changed: BTreeSet::new(),
            reached: Vec::new(),
            behind: BTreeSet::new(),
            disk: None,
            durable: 0,
            dialing: BTreeMap::new(),
            nudged: BTreeMap::new(),
            members_changed: false,
            was_joining: true,
            renamed: None,
            ended: Vec::new(),
            counters: AckCounters::default(),
        }
    }

    pub fn deadline(&self) -> Time {
        self.waits.deadline()
    }

    /// A scope has grown.
    pub fn note_changed(&mut self, scope: &ScopeName) {
        if self.questions.is_awaited(scope) || !self.behind.is_empty() {
            self.changed.insert(scope.clone());
        }
    }

    /// Is a question to this member unanswered? Its link is needed then.
    pub fn needs(&self, member: NodeId) -> bool {
        self.waits.unanswered(member) > 0
    }

    /// Under which name a write of ours is known now; `None` when that is not certain.
    fn resolve(&self, part: Have) -> Option<Have> {
        if self.ended.contains(&part.actor) {
            return None;
        }
        match &self.renamed {
            Some((from, to, bases)) if *from == part.actor => {
                let base = bases.get(&part.scope).copied().unwrap_or(0);
                let renamed = part.last > base;
                Some(if renamed { Have { actor: *to, last: part.last - base, ..part } } else { part })
            }
            _ => Some(part),
        }
    }
}

impl Node {
    /// Waits until members have writes of this node: of each author all up to a number. Ends with [`Effect::Waited`] of the
    /// number returned, perhaps at once; without a time-out only when it is so, or by [`Node::end_wait`].
    pub fn await_ack(
        &mut self,
        writes: Vec<Have>,
        ack: Ack,
        time_out_ms: Option<u64>,
        now: Now,
        fx: &mut Vec<Effect>,
    ) -> Result<u64, WaitError> {
        if !(1..=PARTS_MAX).contains(&writes.len()) {
            return Err(WaitError::Scopes);
        }
        if matches!(ack, Ack::Majority | Ack::All) && !self.config.roster {
            return Err(WaitError::NoRoster);
        }
        let parts: Option<Vec<Have>> = writes.into_iter().map(|part| self.acks.resolve(part)).collect();
        let kind = Kind::Ack { parts: parts.ok_or(WaitError::Unsure)?, ack };
        self.begin_wait(kind, None, time_out_ms, now, fx)
    }

    /// Waits until a write is here, with all that its author wrote before it in the scope. Ends as [`Node::await_ack`].
    pub fn await_token(
        &mut self,
        token: &Token,
        time_out_ms: Option<u64>,
        now: Now,
        fx: &mut Vec<Effect>,
    ) -> Result<u64, WaitError> {
        self.begin_wait(Kind::Here { part: token.part().clone() }, None, time_out_ms, now, fx)
    }

    /// Waits until all is here that a majority of the scope's hosts, this node among them, had seen at some time after this
    /// call. Ends as [`Node::await_ack`].
    pub fn await_majority(
        &mut self,
        scope: &ScopeName,
        time_out_ms: Option<u64>,
        now: Now,
        fx: &mut Vec<Effect>,
    ) -> Result<u64, WaitError> {
        if !self.config.roster {
            return Err(WaitError::NoRoster);
        }
        let kind = Kind::Majority { scope: scope.clone(), lacks: Default::default() };
        self.begin_wait(kind, None, time_out_ms, now, fx)
    }

    /// Nobody waits any more. No effect when the wait is over.
    pub fn end_wait(&mut self, wait: u64) {
        self.due = None;
        self.acks.waits.remove(wait);
        self.acks.behind.remove(&wait);
        self.acks.questions.close(Asker { node: self.id, nonce: wait });
    }

    /// How many members have what a wait is about by now, this node included; `None` when it is over.
    pub fn wait_count(&self, wait: u64) -> Option<usize> {
        self.acks.waits.get(wait).map(Wait::count)
    }

    /// The other members that have what a wait is about by now.
    pub fn wait_members(&self, wait: u64) -> Vec<NodeId> {
        self.acks.waits.get(wait).map(|wait| wait.had.iter().copied().collect()).unwrap_or_default()
    }

    /// What a read elsewhere can wait for. `None` while the author of the write may yet change: after a clean start, until a
    /// first peer has confirmed our life; or when it is not certain any more.
    pub fn token(&self, scope: &ScopeName, actor: Actor, number: u64) -> Option<Token> {
        let part = self.acks.resolve(Have { scope: scope.clone(), actor, last: number })?;
        let replica = self.scopes.replicas.get(scope)?;
        let certain = replica.context().top(part.actor).saturating_sub(replica.unconfirmed());
        let open = part.actor == self.scopes.actor && part.last > certain;
        (number > 0 && !open).then(|| Token::new(part))
    }

    /// The members that host a scope and live, this one included.
    pub fn living_hosts(&self, scope: &ScopeName) -> usize {
        self.hosts_of(scope).len()
    }

    /// Who they are, in the order of their ids.
    pub fn hosts(&self, scope: &ScopeName) -> Vec<NodeId> {
        let mut hosts = self.hosts_of(scope);
        hosts.sort_unstable();
        hosts
    }

    /// What happened with questions and waits.
    pub fn ack_counters(&self) -> AckCounters {
        self.acks.counters
    }

    /// Waits under way, and questions of others that are not answered yet.
    pub fn waits_and_questions(&self) -> (usize, usize) {
        (self.acks.waits.len(), self.acks.questions.len())
    }

    pub(super) fn on_ask(&mut self, peer: NodeId, ask: Ask, now: Now, fx: &mut Vec<Effect>) {
        let asker = Asker { node: peer, nonce: ask.nonce };
        let taken = match ask.question {
            Question::Has(parts) => self.take_question(asker, parts, now),
            Question::Seen { scope, shares } => self.tell_seen(asker, &scope, &shares, fx),
            Question::Ended { scope, seen, roster } => {
                if self.agrees_on_the_end(&scope, &seen, roster) {
                    self.say(asker, Said::Has, fx);
                }
                true
            }
        };
        self.acks.counters.refused += u64::from(!taken);
    }

    pub(super) fn on_answer(&mut self, peer: NodeId, answer: Answer, now: Now, fx: &mut Vec<Effect>) {
        let id = answer.nonce;
        if self.takes_agreement(peer, &answer) {
            return;
        }
        let Some(wait) = self.acks.waits.get(id) else {
            // Those who answer after enough have answered are no liars.
            let ours = (self.acks.first..self.acks.next).contains(&id);
            self.acks.counters.unasked += u64::from(!ours);
            return;
        };
        let fits = match (&answer.said, &wait.kind) {
            (Said::Has, Kind::Ack { .. }) | (Said::Much, Kind::Majority { .. }) => true,
            (Said::Seen(context), Kind::Majority { .. }) => context.len() <= SEEN_BYTES_MAX,
            _ => false,
        };
        if !fits || !wait.asked.contains_key(&peer) {
            self.acks.counters.unasked += 1;
            return;
        }
        match answer.said {
            Said::Has => self.count_in(id, peer),
            Said::Seen(context) => self.learn_seen(id, peer, &context),
            Said::Much => self.nudge(peer, now, fx),
        }
        self.look_at_wait(id, now, fx);
    }

    /// Everything up to a ticket is as durable as asked.
    pub(super) fn on_durable(&mut self, ticket: u64, fx: &mut Vec<Effect>) {
        self.acks.durable = self.acks.durable.max(ticket);
        self.acks.disk.take_if(|asked| *asked <= ticket);
        for asker in self.acks.questions.written(ticket) {
            self.say(asker, Said::Has, fx);
        }
        self.ask_disk(fx);
    }

    /// Looks who waits for what has just come. Rows have gone to the disk before.
    pub(super) fn answer_askers(&mut self, now: Now, fx: &mut Vec<Effect>) {
        let joining = self.is_joining();
        if std::mem::replace(&mut self.acks.was_joining, joining) != joining {
            self.acks.members_changed = true;
        }
        while let Some(scope) = self.acks.changed.pop_first() {
            let Some(replica) = self.scopes.replicas.get(&scope) else { continue };
            let reached = self.acks.questions.reached(&scope, replica.context());
            self.acks.reached.extend(reached);
            self.catch_up(&scope, now, fx);
        }
        for asker in std::mem::take(&mut self.acks.reached) {
            self.answer_one(asker, fx);
        }
        self.ask_disk(fx);
    }

    /// A peer's link is open: whom has it been dialled for?
    pub(super) fn ask_newly_linked(&mut self, peer: NodeId, now: Now) {
        self.acks.dialing.remove(&peer);
        let waits = &mut self.acks.waits;
        let short = |wait: &Wait| wait.wanted.saturating_sub(wait.count()) > wait.hopes();
        let ids: Vec<u64> = waits.iter().filter(|(_, wait)| short(wait)).map(|(id, _)| id).collect();
        ids.into_iter().for_each(|id| waits.set_due(id, now.time));
    }

    /// A peer has no link any more.
    pub(super) fn forget_asker(&mut self, peer: NodeId, now: Now) {
        self.acks.questions.lost(peer);
        self.acks.nudged.remove(&peer);
        for id in self.acks.waits.lost(peer) {
            self.acks.waits.set_due(id, now.time);
        }
    }

    pub(super) fn expire_questions(&mut self, now: Now) {
        let since = now.time.minus_ms(self.acks.config.question_ms_max);
        self.acks.questions.expire(self.id, since);
    }

    /// What is unconfirmed is about to become the next actor's; or our numbers may have been used by another process.
    pub(super) fn rename_waits(&mut self, next: Actor, fx: &mut Vec<Effect>) {
        let old = self.scopes.actor;
        if self.scopes.unconfirmed {
            let base = |replica: &crate::replica::Replica| {
                let base = replica.context().top(old) - replica.unconfirmed();
                (replica.name().clone(), base)
            };
            let bases = self.scopes.replicas.values().map(base).collect();
            self.acks.renamed = Some((old, next, bases));
        } else if self.acks.ended.len() < ENDED_MAX {
            self.acks.ended.push(old);
        }
        let mut unsure = Vec::new();
        let ids: Vec<u64> = self.acks.waits.iter().map(|(id, _)| id).collect();
        for id in ids {
            let Some(Kind::Ack { parts, .. }) = self.acks.waits.get(id).map(|wait| &wait.kind) else {
                continue;
            };
            let renamed: Option<Vec<Have>> =
                parts.iter().map(|part| self.acks.resolve(part.clone())).collect();
            match (renamed, self.acks.waits.get_mut(id).map(|wait| &mut wait.kind)) {
                (Some(renamed), Some(Kind::Ack { parts, .. })) => *parts = renamed,
                _ => unsure.push(id),
            }
        }
        unsure.into_iter().for_each(|id| self.finish_wait(id, Waited::Unsure, fx));
    }

    fn begin_wait(
        &mut self,
        kind: Kind,
        only: Option<NodeId>,
        time_out_ms: Option<u64>,
        now: Now,
        fx: &mut Vec<Effect>,
    ) -> Result<u64, WaitError> {
        // What others are asked for is on its way before the question.
        self.release(now, fx);
        if !kind.scopes().all(|scope| self.scopes.hosts(scope)) {
            return Err(WaitError::NotHosted);
        }
        let limit = self.acks.config.waits_max;
        if self.acks.waits.len() >= limit {
            return Err(WaitError::TooMany { limit });
        }
        let deadline = time_out_ms.map_or(Time(u64::MAX), |ms| now.time.plus_ms(ms));
        let id = self.acks.next;
        self.acks.next += 1;
        self.acks.counters.begun += 1;
        let here = match &kind {
            Kind::Here { part } => Some(part.clone()),
            _ => None,
        };
        self.acks.waits.insert(id, Wait::new(kind, only, now.time, deadline));
        if let Some(part) = here {
            self.take_question(Asker { node: self.id, nonce: id }, vec![part], now);
            self.answer_askers(now, fx);
        }
        self.look_at_wait(id, now, fx);
        Ok(id)
    }

    /// Remembers a question, or sees that it can be answered. False for one that cannot be taken.
    fn take_question(&mut self, asker: Asker, parts: Vec<Have>, now: Now) -> bool {
        let sound = (1..=PARTS_MAX).contains(&parts.len())
            && parts.iter().all(|part| (1..u64::MAX).contains(&part.last) && self.scopes.hosts(&part.scope));
        let own = asker.node == self.id;
        let max = if own { usize::MAX } else { self.acks.config.questions_per_member_max };
        if !sound || self.acks.questions.again(asker, &parts, now.time) {
            return sound;
        }
        let stored = !own && parts.iter().any(|part| self.config.stored.holds(&part.scope));
        let scopes: Vec<ScopeName> = parts.iter().map(|part| part.scope.clone()).collect();
        let taken = self.acks.questions.open(asker, parts, stored, now.time, max);
        self.acks.changed.extend(scopes);
        taken
    }

    /// Says what we have seen that the asker may not have. Who has not compared with anybody yet may have forgotten what it
    /// once said, and says nothing.
    fn tell_seen(&mut self, asker: Asker, scope: &ScopeName, shares: &[u8], fx: &mut Vec<Effect>) -> bool {
        if !self.scopes.hosts(scope) {
            return false;
        }
        if self.is_joining() {
            return true;
        }
        let nothing = Default::default();
        let context = self.scopes.replicas.get(scope).map_or(&nothing, |replica| replica.context());
        let said = match seen::differing(context, shares, SEEN_BYTES_MAX) {
            Ok(differing) => Said::Seen(seen::encoded(&differing)),
            Err(Fault::TooLong) => Said::Much,
            Err(Fault::Impossible) => return false,
        };
        self.say(asker, said, fx);
        true
    }

    /// All is here that was asked for: is it as durable as its scope asks?
    fn answer_one(&mut self, asker: Asker, fx: &mut Vec<Effect>) {
        let Some(stored) = self.acks.questions.is_stored(asker) else { return };
        if stored && self.ticket > self.acks.durable {
            self.acks.questions.write(asker, self.ticket);
            return;
        }
        self.acks.questions.close(asker);
        if asker.node == self.id {
            self.finish_wait(asker.nonce, Waited::Reached { had: 1 }, fx);
        } else {
            self.say(asker, Said::Has, fx);
        }
    }

    /// One ticket at a time: those who come meanwhile share the next.
    fn ask_disk(&mut self, fx: &mut Vec<Effect>) {
        if self.acks.disk.is_none()
            && let Some(ticket) = self.acks.questions.wanted_ticket()
        {
            self.acks.disk = Some(ticket);
            fx.push(Effect::AwaitDisk { ticket });
        }
    }

    fn say(&self, asker: Asker, said: Said, fx: &mut Vec<Effect>) {
        let answer = Message::Answer(Answer { nonce: asker.nonce, said });
        self.send(asker.node, Lane::Urgent, &answer, fx);
    }

    fn learn_seen(&mut self, id: u64, peer: NodeId, context: &[u8]) {
        let Some(wait) = self.acks.waits.get_mut(id) else { return };
        let Kind::Majority { scope, lacks } = &mut wait.kind else { return };
        let Ok(seen) = codec::decode_context(context, &self.config.replica.limits) else {
            self.counters.malformed += 1;
            return;
        };
        let missing = match self.scopes.replicas.get(scope) {
            Some(replica) => seen.minus(replica.context()),
            None => seen,
        };
        lacks.union(&missing);
        if !lacks.is_empty() {
            self.acks.behind.insert(id);
        }
        self.count_in(id, peer);
    }

    /// A scope has grown: which waits lack less now?
    fn catch_up(&mut self, scope: &ScopeName, now: Now, fx: &mut Vec<Effect>) {
        let Some(replica) = self.scopes.replicas.get(scope) else { return };
        let mut complete = Vec::new();
        for id in &self.acks.behind {
            let Some(Kind::Majority { scope: of, lacks }) =
                self.acks.waits.get_mut(*id).map(|wait| &mut wait.kind)
            else {
                continue;
            };
            if of == scope {
                *lacks = lacks.minus(replica.context());
                complete.extend(lacks.is_empty().then_some(*id));
            }
        }
        for id in complete {
            self.acks.behind.remove(&id);
            self.look_at_wait(id, now, fx);
        }
    }

    fn finish_wait(&mut self, id: u64, end: Waited, fx: &mut Vec<Effect>) {
        if self.acks.waits.get(id).is_some() {
            self.acks.counters.timed_out += u64::from(matches!(end, Waited::TimedOut { .. }));
            self.end_wait(id);
            fx.push(Effect::Waited { wait: id, end });
        }
    }
}
