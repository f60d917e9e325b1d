//! Gaining neighbours: joins, walks, and filling what was lost.

use damson_crdt::NodeId;

use super::{Aged, Overlay, OverlayEffect, Reason, is_dialable, pick};
use crate::time::Time;
use crate::wire::{Contact, OverlayMessage};

/// A walk on behalf of a node that wants neighbours.
#[derive(Debug)]
pub(super) struct Walk {
    pub who: Contact,
    pub ttl: u8,
    pub hops: u8,
    pub urgent: bool,
}

/// A walk that claims more hops is cut.
const TTL_MAX: u8 = 64;
/// Of so many attempts to fill a nearly full view one asks a passive entry, and the others send a walk.
const ASK_EACH: u64 = 4;

impl Overlay {
    /// The walk is twice as long as the paper's. All joins begin at the same contact; seven steps lead to the nodes that are
    /// far from it, and not to the others. What is left of that falls as sqrt(n) / 2^steps for walks that do not turn
    /// around in a random graph of degree five: 0.8 for 10,000 nodes after seven, 0.01 after thirteen.
    ///
    /// A contact does not keep the newcomer for itself unless it has room: it sends it to where walks end. Each splice
    /// gives two neighbours.
    pub(super) fn on_join(&mut self, from: NodeId, now: Time, fx: &mut Vec<OverlayEffect>) {
        let Some(address) = self.open.get(&from) else { return };
        let who = Contact { id: from, address: address.clone() };
        if self.active.remove(&from).is_some() {
            self.counters.down += 1;
            fx.push(OverlayEffect::Down(from));
        }
        let others: Vec<NodeId> = self.active.keys().copied().collect();
        if self.has_room() || others.is_empty() {
            self.ask(who.clone(), Reason::Fill, now, fx);
        }
        let walks = (self.config.active / 2).max(1);
        for first in pick(others, walks, &mut self.rng) {
            let ttl = self.far();
            let message = OverlayMessage::ForwardJoin { who: who.clone(), ttl, hops: 1, urgent: true };
            fx.push(OverlayEffect::Send(first, message));
        }
        self.remember(Aged { contact: who, age: 0 });
    }

    pub(super) fn on_walk(&mut self, from: NodeId, walk: Walk, now: Time, fx: &mut Vec<OverlayEffect>) {
        let Walk { who, ttl, hops, urgent } = walk;
        let ttl = ttl.min(TTL_MAX);
        if who.id == self.own.id {
            return;
        }
        if !is_dialable(&who) {
            self.counters.refused += 1;
            return;
        }
        let next = self.random_neighbor(&[from, who.id]);
        let ends = ttl == 0 || next.is_none();
        if !self.needs(who.id) {
            if self.has_room() && (hops >= self.far() || ends) {
                self.ask(who, Reason::Fill, now, fx);
                return;
            }
            if ends && urgent {
                self.ask(who, Reason::Splice, now, fx);
                return;
            }
            if ttl == self.config.passive_walk {
                self.remember(Aged { contact: who.clone(), age: 0 });
            }
        }
        if let Some(next) = next.filter(|_| ttl > 0) {
            let message =
                OverlayMessage::ForwardJoin { who, ttl: ttl - 1, hops: hops.saturating_add(1), urgent };
            fx.push(OverlayEffect::Send(next, message));
        }
    }

    /// Without neighbours, and with a link: ask again.
    pub(super) fn rejoin(&mut self, now: Time, fx: &mut Vec<OverlayEffect>) {
        if !self.may_rejoin() || now < self.next_join {
            return;
        }
        self.next_join = now.plus_ms(self.config.reply_ms);
        let peers = self.open.keys().copied().collect();
        for peer in pick(peers, 1, &mut self.rng) {
            fx.push(OverlayEffect::Send(peer, OverlayMessage::Join));
        }
    }

    /// A walk that has made so many hops may be anywhere. A node with room that is nearer does not end it: links to those who
    /// are near anyway make all paths longer.
    fn far(&self) -> u8 {
        self.config.active_walk.saturating_mul(2)
    }

    pub(super) fn may_rejoin(&self) -> bool {
        self.is_lonely() && self.asked.is_empty() && !self.open.is_empty()
    }

    /// Looks for neighbours while there is room. With few left the passive view is asked, one after the other without a
    /// pause, and when it is exhausted others are asked for; with most still there a walk looks for a node that has room
    /// too, since all others would refuse.
    pub(super) fn fill(&mut self, now: Time, fx: &mut Vec<OverlayEffect>) {
        if now < self.next_fill || !self.has_room() {
            return;
        }
        let few = self.active.len() * 2 <= self.config.active;
        self.fills += 1;
        if few || self.fills.is_multiple_of(ASK_EACH) {
            self.ask_passive(few, now, fx);
        } else if !self.passive.is_empty() {
            self.seek(fx);
        }
        if self.has_room() {
            let pause = self.fill_pause_ms;
            self.next_fill = now.plus_ms(self.jittered(pause));
            self.fill_pause_ms = (pause * 2).min(self.config.shuffle_ms);
        }
    }

    pub(super) fn on_candidates(&mut self, contacts: Vec<Contact>, now: Time) {
        let known = self.passive.ids().count();
        for contact in contacts {
            self.remember(Aged { contact, age: u16::MAX / 4 });
        }
        if self.passive.ids().count() > known && self.is_lonely() {
            // Not sooner than the pause, which grows while nobody answers.
            self.next_fill = self.next_fill.min(now.plus_ms(self.fill_pause_ms));
        }
    }

    fn ask_passive(&mut self, few: bool, now: Time, fx: &mut Vec<OverlayEffect>) {
        while self.has_room() && self.asked.len() < self.config.asked_max {
            let Self { passive, tried, active, asked, rng, .. } = self;
            let open = |id| !tried.contains(&id) && !active.contains_key(&id) && !asked.contains_key(&id);
            let Some(contact) = passive.candidate(open, rng) else {
                tried.clear();
                fx.push(OverlayEffect::NeedCandidates);
                return;
            };
            self.tried.insert(contact.id);
            self.ask(contact, Reason::Fill, now, fx);
            if !few {
                return;
            }
        }
    }

    fn seek(&mut self, fx: &mut Vec<OverlayEffect>) {
        if let Some(first) = self.random_neighbor(&[]) {
            let (who, ttl) = (self.own.clone(), self.far().saturating_add(self.config.seek_walk));
            let message = OverlayMessage::ForwardJoin { who, ttl, hops: 1, urgent: false };
            fx.push(OverlayEffect::Send(first, message));
        }
    }
}
