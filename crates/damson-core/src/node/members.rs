//! The roster's records: our own, and what we judge of others.

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::{Key, NodeId};

use super::effects::{Effect, Event};
use super::{Node, Now};
use crate::membership::{LivenessEffect, Member, MemberState};
use crate::scope::ScopeName;
use crate::wire::{Message, VERSION_MAX};

use super::effects::Lane;

/// A link of a dead member without a frame for this long is dropped, in milliseconds.
const SILENT_MS: u64 = 1_000;

impl Node {
    /// Writes our own record, above all that is known of us.
    pub(super) fn announce_itself(&mut self, now: Now, fx: &mut Vec<Effect>) {
        let keys: Vec<Key> = match self.scopes.replicas.get(&ScopeName::roster()) {
            Some(replica) => replica.view(now.wall_ms).keys().map(|(key, _)| key.clone()).collect(),
            None => Vec::new(),
        };
        keys.iter().for_each(|key| self.refresh_member(key, now, fx));
        self.raise_incarnation(MemberState::Alive, now, fx);
        self.settle(now, fx);
    }

    /// Tells where our HTTP surface listens, once that is known.
    pub fn set_http(&mut self, address: String, now: Now, fx: &mut Vec<Effect>) {
        self.config.http = Some(address);
        self.raise_incarnation(MemberState::Alive, now, fx);
        self.settle(now, fx);
    }

    /// Says goodbye: our record becomes `left`, peers are told, links are closed.
    pub fn leave(&mut self, now: Now, fx: &mut Vec<Effect>) {
        self.leaving = true;
        self.raise_incarnation(MemberState::Left, now, fx);
        self.settle(now, fx);
        let peers: Vec<NodeId> = self.links.peers().collect();
        for peer in peers {
            self.send(peer, Lane::Bulk, &Message::Bye, fx);
            fx.extend(self.links.of(peer).map(|link| Effect::Close { link }));
        }
    }

    pub(super) fn on_bye(&mut self, peer: NodeId, now: Now, fx: &mut Vec<Effect>) {
        let Some(member) = self.roster.get(peer).filter(|member| member.state.is_present()).cloned() else {
            return;
        };
        self.write_member(Member { state: MemberState::Left, judged_by: None, ..member }, now, fx);
    }

    /// Reads a record that changed, and acts on it.
    pub(super) fn refresh_member(&mut self, key: &Key, now: Now, fx: &mut Vec<Effect>) {
        let Some(replica) = self.scopes.replicas.get(&ScopeName::roster()) else { return };
        let Some((before, after)) = self.roster.refresh(key, replica.view(now.wall_ms)) else { return };
        let Some(id) = before.as_ref().or(after.as_ref()).map(|member| member.id) else { return };
        self.redial = true;
        let state = after.as_ref().map(|member| member.state);
        if before.as_ref().map(|member| member.state) != state {
            let shown = after.as_ref().or(before.as_ref()).expect("one of both is there");
            let (name, judged_by) = (shown.name.clone(), shown.judged_by);
            fx.push(Effect::Event(Event::Member { id, name, state, judged_by }));
        }
        if id == self.id {
            self.refute_if_wrong(after.as_ref(), now, fx);
        } else {
            self.liveness.member_changed(id, state, now.time);
            self.drop_if_silent(id, state, now, fx);
        }
    }

    /// A link to a member that all take for dead, and that is as silent, is of no use: without it we dial again.
    fn drop_if_silent(&mut self, id: NodeId, state: Option<MemberState>, now: Now, fx: &mut Vec<Effect>) {
        let link = self.links.of(id).filter(|_| state == Some(MemberState::Dead));
        let silent = link
            .and_then(|link| self.links.get(link))
            .is_some_and(|l| now.time.ms_since(l.heard) > SILENT_MS);
        if let Some(link) = link.filter(|_| silent) {
            self.drop_link(link, now, fx);
        }
    }

    pub(super) fn tick_liveness(&mut self, now: Now, fx: &mut Vec<Effect>) {
        let members: Vec<NodeId> =
            self.roster.iter().filter(|m| m.id != self.id && m.state.is_present()).map(|m| m.id).collect();
        let linked: Vec<NodeId> = self.links.peers().collect();
        let mut effects = Vec::new();
        self.liveness.tick(now.time, &members, &linked, &mut effects);
        self.carry_out(&effects, now, fx);
    }

    pub(super) fn carry_out(&mut self, effects: &[LivenessEffect], now: Now, fx: &mut Vec<Effect>) {
        for effect in effects {
            match *effect {
                LivenessEffect::Ping { peer, nonce } => {
                    let beat = self.beat(nonce, now);
                    self.send(peer, Lane::Urgent, &Message::Ping(beat), fx);
                }
                LivenessEffect::Ask { via, target, nonce } => {
                    self.send(via, Lane::Urgent, &Message::PingRequest { nonce, target }, fx);
                }
                LivenessEffect::Judge { target, state } => self.judge(target, state, now, fx),
            }
        }
    }

    /// Addresses to dial: members without a link, and contacts that led nowhere. True where the other may dial first.
    pub(super) fn wanted_addresses(&self) -> BTreeMap<String, bool> {
        let mut wanted = BTreeMap::new();
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        for peer in self.links.peers() {
            taken.extend(self.roster.get(peer).map(|member| member.address.as_str()));
            taken.extend(self.links.hello_of(peer).map(|hello| hello.address.as_str()));
        }
        for member in self.roster.iter().filter(|m| m.id != self.id && self.links.of(m.id).is_none()) {
            let dialable = member.state != MemberState::Left && !member.address.is_empty();
            if dialable && !taken.contains(member.address.as_str()) && member.address != self.config.address {
                wanted.insert(member.address.clone(), self.id > member.id);
            }
        }
        for contact in &self.config.contacts {
            let linked = self.contact_ids.get(contact).is_some_and(|id| self.links.of(*id).is_some());
            if !linked && !taken.contains(contact.as_str()) && *contact != self.config.address {
                wanted.insert(contact.clone(), false);
            }
        }
        wanted
    }

    /// Removes a member for good. What it wrote stays. It comes back only by joining again.
    pub fn forget_member(&mut self, id: NodeId, now: Now, fx: &mut Vec<Effect>) -> bool {
        let known = self.roster.get(id).is_some_and(|member| !member.state.is_present());
        if known {
            let _ = self.write(&ScopeName::roster(), now, fx, |tx| Ok(tx.remove(&Member::slot(id))));
        }
        known
    }

    fn judge(&mut self, target: NodeId, state: MemberState, now: Now, fx: &mut Vec<Effect>) {
        let Some(member) = self.roster.get(target).filter(|member| member.state < state).cloned() else {
            return;
        };
        if member.state.is_present() {
            self.write_member(Member { state, judged_by: Some(self.id), ..member }, now, fx);
        }
    }

    /// Somebody says of us what is not so: raise the incarnation and say it as it is (SWIM, section 4.2).
    fn refute_if_wrong(&mut self, record: Option<&Member>, now: Now, fx: &mut Vec<Effect>) {
        let wanted = if self.leaving { MemberState::Left } else { MemberState::Alive };
        let right = record.is_some_and(|record| {
            record.state == wanted
                && record.incarnation == self.incarnation
                && record.address == self.config.address
                && record.name == self.config.name
        });
        if !right && self.announced {
            self.counters.refutations += 1;
            self.raise_incarnation(wanted, now, fx);
        }
    }

    fn raise_incarnation(&mut self, state: MemberState, now: Now, fx: &mut Vec<Effect>) {
        let known = self.roster.get(self.id).map_or(0, |member| member.incarnation);
        self.incarnation = known.max(self.incarnation) + 1;
        self.announced = true;
        let own = Member {
            id: self.id,
            name: self.config.name.clone(),
            address: self.config.address.clone(),
            incarnation: self.incarnation,
            state,
            judged_by: None,
            zone: self.config.zone.clone(),
            hosted: self.config.hosted.clone(),
            version: VERSION_MAX,
            http: self.config.http.clone(),
        };
        self.write_member(own, now, fx);
    }

    fn write_member(&mut self, member: Member, now: Now, fx: &mut Vec<Effect>) {
        let record = member.encode();
        // The roster takes what is within limits; a record that is not would be a broken invariant of ours.
        let written = self.write(&ScopeName::roster(), now, fx, |tx| {
            let slot = Member::slot(member.id);
            if tx.view().kind(&slot).is_some_and(|kind| kind != damson_crdt::Kind::Multi) {
                tx.remove(&slot); // somebody put something else there
            }
            tx.put_multi(&slot, record)
        });
        debug_assert!(written.is_ok(), "the roster refused a record: {written:?}");
    }
}
