//! The roster's records: our own, and what we judge of others.

use damson_crdt::{Key, NodeId};

use super::effects::{Effect, Event};
use super::{Node, Now};
use crate::membership::{LivenessEffect, Member, MemberState, OverlayInput, Running};
use crate::scope::ScopeName;
use crate::wire::{Beat, Message, VERSION_MAX};

use super::effects::Lane;

/// A link over which nothing came for this long is dropped when its peer does not answer, in milliseconds.
const SILENT_MS: u64 = 500;

/// Things that a process runs on scopes: each is told in its record.
const RUNS_MAX: usize = 256;

fn runs(member: Option<&Member>) -> &[Running] {
    member.and_then(|member| member.runs.as_deref()).unwrap_or_default()
}

fn running((scope, version): (&ScopeName, &u16)) -> Running {
    Running { scope: scope.clone(), version: *version }
}

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

    /// Tells the others that this process runs something on a scope, in a version of its payloads, or no longer. False when it
    /// runs too much already.
    pub fn set_running(
        &mut self,
        scope: &ScopeName,
        version: Option<u16>,
        now: Now,
        fx: &mut Vec<Effect>,
    ) -> bool {
        if version.is_some() && self.running.len() >= RUNS_MAX && !self.running.contains_key(scope) {
            return false;
        }
        match version {
            Some(version) => self.running.insert(scope.clone(), version),
            None => self.running.remove(scope),
        };
        if !self.leaving {
            self.raise_incarnation(MemberState::Alive, now, fx);
            self.settle(now, fx);
        }
        true
    }

    /// Says goodbye: our record becomes `left`, peers are told, links are closed.
    pub fn leave(&mut self, now: Now, fx: &mut Vec<Effect>) {
        self.leaving = true;
        self.raise_incarnation(MemberState::Left, now, fx);
        self.settle(now, fx);
        self.release(now, fx);
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
        self.acks.members_changed = true;
        let state = after.as_ref().map(|member| member.state);
        if state.is_none() {
            self.ask_for_the_end_anew();
        }
        if before.as_ref().map(|member| member.state) != state {
            let shown = after.as_ref().or(before.as_ref()).expect("one of both is there");
            let (name, incarnation, judged_by) = (shown.name.clone(), shown.incarnation, shown.judged_by);
            fx.push(Effect::Event(Event::Member { id, name, incarnation, state, judged_by }));
        }
        if runs(before.as_ref()) != runs(after.as_ref()) {
            fx.push(Effect::Event(Event::Runs { id }));
        }
        if id == self.id {
            self.refute_if_wrong(after.as_ref(), now, fx);
        } else {
            let ours = after.as_ref().is_some_and(|member| member.judged_by == Some(self.id));
            self.liveness.member_changed(id, state, ours, now.time);
            if state.is_none_or(|state| !state.is_present()) {
                self.overlay_input(OverlayInput::Gone(id), now, fx);
            }
            self.end_forgotten_link(id, now, fx);
            self.doubt_link(id, state, now, fx);
        }
    }

    /// A neighbour that others take for dead has to answer, or its link is dropped and dialled again.
    fn doubt_link(&mut self, id: NodeId, state: Option<MemberState>, now: Now, fx: &mut Vec<Effect>) {
        if state == Some(MemberState::Dead) && self.links.of(id).is_some() {
            let mut effects = Vec::new();
            self.liveness.doubt(id, now.time, &mut effects);
            self.carry_out(&effects, now, fx);
        }
    }

    fn drop_if_silent(&mut self, id: NodeId, now: Now, fx: &mut Vec<Effect>) {
        let Some(link) = self.links.of(id) else { return };
        if self.links.get(link).is_some_and(|link| now.time.ms_since(link.heard) >= SILENT_MS) {
            self.drop_link(link, now, fx);
        }
    }

    pub(super) fn tick_liveness(&mut self, now: Now, fx: &mut Vec<Effect>) {
        let neighbors: Vec<NodeId> = self.overlay.active().collect();
        let mut effects = Vec::new();
        self.liveness.tick(now.time, &neighbors, &neighbors, &mut effects);
        self.carry_out(&effects, now, fx);
    }

    /// A member may be gone: others are asked to reach it.
    pub(super) fn probe_through_others(&mut self, id: NodeId, now: Now, fx: &mut Vec<Effect>) {
        let others: Vec<NodeId> = self.overlay.active().collect();
        let mut effects = Vec::new();
        self.liveness.link_down(id, now.time, &others, &mut effects);
        self.carry_out(&effects, now, fx);
    }

    pub(super) fn carry_out(&mut self, effects: &[LivenessEffect], now: Now, fx: &mut Vec<Effect>) {
        for effect in effects {
            match *effect {
                LivenessEffect::Ping { peer, nonce } => {
                    let period_ms = self.config.liveness.period_ms;
                    let check = self.sync.ride(peer, now.time, period_ms, &mut self.scopes);
                    let beat = Beat { check, ..self.beat(peer, nonce, now) };
                    let rides = self.broadcast.ride(peer);
                    self.send(peer, Lane::Urgent, &Message::Ping(beat, rides), fx);
                }
                LivenessEffect::Ask { via, target, nonce } => {
                    self.send(via, Lane::Urgent, &Message::PingRequest { nonce, target }, fx);
                }
                LivenessEffect::Broken(target) => self.drop_if_silent(target, now, fx),
                LivenessEffect::Judge { target, state } => self.judge(target, state, now, fx),
            }
        }
    }

    fn judge(&mut self, target: NodeId, state: MemberState, now: Now, fx: &mut Vec<Effect>) {
        match self.roster.get(target).filter(|member| member.state.is_present()).cloned() {
            Some(member) if member.state < state => {
                self.write_member(Member { state, judged_by: Some(self.id), ..member }, now, fx);
            }
            Some(_) => {}
            // There is nobody to judge any more, and its link is of no use.
            None => self.drop_if_silent(target, now, fx),
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
        if self.was_forgotten(self.id, Some(self.born.number)) {
            self.is_told_forgotten(fx);
        } else if !right && self.announced {
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
            born: Some(self.born.number),
            forgotten: self.roster.forgotten(self.id),
            runs: (!self.running.is_empty()).then(|| self.running.iter().map(running).collect()),
        };
        self.write_member(own, now, fx);
    }

    pub(super) fn write_member(&mut self, member: Member, now: Now, fx: &mut Vec<Effect>) {
        if !self.config.roster {
            return;
        }
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
