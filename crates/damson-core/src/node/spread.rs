//! The broadcast, wired: own batches go out, others' come in and go on.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use damson_crdt::{Actor, Batch, DotRange, Intervals, NodeId, Rule, codec};

use super::effects::{Effect, Event, Lane};
use super::gather::{follows, item, span};
use super::scopes::ScopeTable;
use super::{Node, Now};
use crate::broadcast::{BroadcastEffect, Item, Known};
use crate::replica::Applied;
use crate::scope::ScopeName;
use crate::wire::Message;

/// Authors of whom it is remembered what was relayed.
const RELAYED_MAX: usize = 4_096;
/// Intervals of numbers remembered for each. What lies before is taken for new again.
const HOLES_MAX: usize = 64;

/// What was passed on of scopes that we do not host: there is no context to tell.
#[derive(Debug, Default)]
pub(super) struct Relayed {
    seen: BTreeMap<(ScopeName, Actor), Intervals>,
    /// By age: the oldest makes room.
    order: VecDeque<(ScopeName, Actor)>,
}

impl Relayed {
    /// Says whether it is new.
    fn note(&mut self, scope: &ScopeName, range: DotRange) -> bool {
        let stream = (scope.clone(), range.actor);
        if !self.seen.contains_key(&stream) {
            self.order.push_back(stream.clone());
            if self.order.len() > RELAYED_MAX {
                self.order.pop_front().and_then(|oldest| self.seen.remove(&oldest));
            }
        }
        let seen = self.seen.entry(stream).or_default();
        let new = !seen.contains_range(range.first, range.last);
        seen.insert(range.first, range.last);
        if seen.pairs().len() > HOLES_MAX {
            *seen = Intervals::from_pairs(seen.pairs()[HOLES_MAX / 2..].iter().copied()).expect("in order");
        }
        new
    }

    fn of(&self, scope: &ScopeName, actor: Actor) -> Option<&Intervals> {
        self.seen.get(&(scope.clone(), actor))
    }
}

impl Known for ScopeTable {
    fn first_missing(&self, scope: &ScopeName, actor: Actor, last: u64) -> Option<u64> {
        if scope.is_cast() {
            return self.casts.first_missing(scope, actor, last);
        }
        let first = match self.replicas.get(scope) {
            Some(replica) => replica.first_missing(actor),
            None if self.hosts(scope) => 1,
            // What came before we were there is nothing to us.
            None => self.relayed.of(scope, actor).map_or(last, |seen| seen.max() + 1),
        };
        (first <= last).then_some(first)
    }

    fn is_brought(&self, scope: &ScopeName) -> bool {
        self.is_filling(scope)
    }
}

impl Node {
    pub(super) fn on_push(
        &mut self,
        peer: NodeId,
        scope: &ScopeName,
        payload: Vec<u8>,
        round: u8,
        now: Now,
        fx: &mut Vec<Effect>,
    ) {
        let batches = codec::decode_batches(&payload, &self.config.replica.limits);
        let Some(batches) = batches.ok().filter(|_| !scope.is_cast()) else {
            self.counters.malformed += 1;
            return;
        };
        let whole = Bytes::from(payload);
        let mut looked_at = 0;
        let mut applied = Vec::with_capacity(batches.len());
        for (at, batch) in batches.iter().enumerate() {
            if let Some(replica) = self.scopes.replicas.get(scope)
                && at == looked_at
                && batches.len() > 1
            {
                looked_at += replica.look_ahead(&batches[at..]);
            }
            applied.push(self.apply(peer, scope, batch, now));
        }
        if self.config.trace_deliveries {
            self.trace_deliveries(peer, scope, &batches, &applied, round, fx);
        }
        let mut rest = &batches[..];
        while !rest.is_empty() {
            let applied = &applied[batches.len() - rest.len()..];
            let new = applied.iter().take_while(|applied| is_new(**applied)).count();
            let run = rest[..new].chunk_by(follows).next().unwrap_or_default();
            if run.len() == batches.len() {
                let item = Item { scope: scope.clone(), range: span(run), round, payload: whole.clone() };
                self.deliver(item, Some(peer), now, fx);
            } else if !run.is_empty() {
                self.deliver(item(scope, run, round), Some(peer), now, fx);
            } else if applied[0] == Some(Applied::Duplicate) {
                self.broadcast.duplicate(peer, scope, rest[0].range(), now.time);
            }
            // What overflowed or is refused is neither known nor passed on: it is as if it had not come.
            rest = &rest[run.len().max(1)..];
        }
    }

    fn trace_deliveries(
        &self,
        from: NodeId,
        scope: &ScopeName,
        batches: &[Batch],
        applied: &[Option<Applied>],
        round: u8,
        fx: &mut Vec<Effect>,
    ) {
        let new = batches.iter().zip(applied).filter(|(_, applied)| is_new(**applied));
        fx.extend(new.map(|(batch, _)| {
            let (scope, actor, last) = (scope.clone(), batch.actor, batch.last());
            Effect::Event(Event::Delivered { scope, actor, last, round, from })
        }));
    }

    pub(super) fn tick_broadcast(&mut self, now: Now, fx: &mut Vec<Effect>) {
        if now.time >= self.broadcast.deadline() {
            let mut effects = Vec::new();
            self.broadcast.tick(now.time, &self.scopes, &mut effects);
            self.carry_out_broadcast(effects, now, fx);
        }
    }

    pub(super) fn carry_out_broadcast(
        &mut self,
        effects: Vec<BroadcastEffect>,
        now: Now,
        fx: &mut Vec<Effect>,
    ) {
        for effect in effects {
            match effect {
                BroadcastEffect::Push { to, scope, round, payload } => {
                    let frame = match scope.is_cast() {
                        true => Message::Cast { scope, cast: payload.into(), round },
                        false => Message::Push { scope, batches: payload.into(), round },
                    };
                    let frame = frame.encode();
                    let links = to.into_iter().filter_map(|peer| self.links.of(peer));
                    fx.extend(links.map(|link| Effect::Send {
                        link,
                        lane: Lane::Bulk,
                        frame: frame.clone(),
                    }));
                }
                BroadcastEffect::Have(peer, haves) => self.send(peer, Lane::Bulk, &Message::Have(haves), fx),
                BroadcastEffect::Graft(peer, wants) => {
                    self.scopes.casts.count_asked(&wants);
                    self.send(peer, Lane::Urgent, &Message::Graft(wants), fx)
                }
                BroadcastEffect::Vector(peer, bytes) => {
                    self.send(peer, Lane::Bulk, &Message::Vector(bytes), fx)
                }
                BroadcastEffect::Sync(peer) => _ = self.sync_with(peer, fx),
                BroadcastEffect::GivenUp { scope, actor, last, by } => {
                    self.give_up_cast(&scope, actor, last, by, now, fx)
                }
            }
        }
    }

    pub(super) fn deliver(&mut self, item: Item, from: Option<NodeId>, now: Now, fx: &mut Vec<Effect>) {
        self.sync.flows(now.time);
        if let Some(from) = from {
            self.broadcast.look_for_gap(from, &item.scope, item.range, &self.scopes, now.time);
        }
        let mut effects = Vec::new();
        self.broadcast.deliver(item, from, now.time, &mut effects);
        self.carry_out_broadcast(effects, now, fx);
    }

    /// `None` when a broken rule refuses it.
    fn apply(&mut self, peer: NodeId, scope: &ScopeName, batch: &Batch, now: Now) -> Option<Applied> {
        let (drift, rules) = (self.config.clock_drift_ms_max, self.config.rules);
        let ahead = batch.hlc.ms() > now.wall_ms.saturating_add(drift);
        if ahead {
            let ahead_ms = batch.hlc.ms() - now.wall_ms;
            self.scopes.events.push(Event::FutureTime { peer, ahead_ms });
            if !rules.holds(Rule::ClockDecides) {
                return None;
            }
        }
        let drift = if rules.holds(Rule::FutureAbsorbed) { drift } else { u64::MAX };
        self.clock.observe(batch.hlc, now.wall_ms, drift);
        let actor = self.scopes.actor;
        let Some(replica) = self.scopes.get_or_create(scope) else {
            let new = self.scopes.relayed.note(scope, batch.range());
            return Some(if new { Applied::New } else { Applied::Duplicate });
        };
        let forged = batch.actor == actor && batch.last() > replica.context().top(actor);
        let applied = replica.apply(batch, peer, now.time);
        if matches!(applied, Applied::New | Applied::Waiting) {
            self.scopes.touched.insert(scope.clone());
        }
        self.counters.own_from_elsewhere += u64::from(forged);
        self.scopes.forked |= forged;
        Some(applied)
    }
}

fn is_new(applied: Option<Applied>) -> bool {
    matches!(applied, Some(Applied::New | Applied::Waiting))
}
