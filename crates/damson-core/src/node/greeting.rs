//! The greeting on every new link: hello and welcome, in both directions, before anything else.
//!
//! It settles the wire version, keeps realms apart, refuses a second process with the same node id, and tells a copied
//! directory that it is one (see *Lives* in ARCHITECTURE.md).

use damson_crdt::{Actor, Life, NodeId};

use super::effects::{Effect, Event, Lane, LinkId};
use super::links::Link;
use super::{Node, Now, send_on};
use crate::replica::Replica;
use crate::wire::{Hello, Known, Message, Refusal, VERSION_MAX, VERSION_MIN, Welcome};

/// How long a greeting may take, in milliseconds.
const GREETING_MS_MAX: u64 = 5_000;
/// How long an old link has to prove that its process lives, when another claims the same id, in milliseconds.
const CONTEST_MS: u64 = 1_000;

impl Node {
    pub(super) fn on_link_up(
        &mut self,
        id: LinkId,
        peer: NodeId,
        dialed: Option<String>,
        now: Now,
        fx: &mut Vec<Effect>,
    ) {
        let link = Link {
            peer,
            dialed,
            hello: None,
            welcomed: false,
            open: false,
            contested: false,
            began: now.time,
            heard: now.time,
            greeting_us: 0,
        };
        self.links.insert(id, link, now.time.plus_ms(GREETING_MS_MAX));
        send_on(id, Lane::Urgent, &Message::Hello(self.hello()), fx);
    }

    pub(super) fn on_link_down(&mut self, id: LinkId, now: Now, fx: &mut Vec<Effect>) {
        let Some((link, was_open)) = self.links.remove(id) else { return };
        if let Some(address) = &link.dialed {
            self.dialer.failed(address, now.time);
            self.contacts.put_last(address);
        }
        self.redial = true;
        if was_open {
            self.peer_lost(link.peer, now, fx);
        }
        self.decide_contests(link.peer, now, fx);
    }

    pub(super) fn on_hello(&mut self, id: LinkId, hello: Hello, now: Now, fx: &mut Vec<Effect>) {
        let Some(link) = self.links.get(id) else { return };
        if link.hello.is_some() {
            return;
        }
        if let Some(cause) = self.fault_of(&hello, link.peer) {
            self.refuse(id, cause, now, fx);
            return;
        }
        let peer = link.peer;
        let rival =
            self.links.of(peer).filter(|other| *other != id && self.boot_of(*other) != Some(hello.boot));
        let link = self.links.get_mut(id).expect("looked up above");
        link.hello = Some(hello);
        match rival {
            Some(rival) => self.contest(id, rival, now, fx),
            None => self.welcome(id, now, fx),
        }
    }

    pub(super) fn on_welcome(&mut self, id: LinkId, welcome: &Welcome, now: Now, fx: &mut Vec<Effect>) {
        if self.links.get(id).is_none_or(|link| link.welcomed) {
            return;
        }
        self.compare_lives(&welcome.known, now, fx);
        let link = self.links.get_mut(id).expect("looked up above");
        link.welcomed = true;
        link.greeting_us = now.time.0.saturating_sub(link.began.0);
        self.open_if_greeted(id, now, fx);
    }

    pub(super) fn on_refuse(&mut self, id: LinkId, cause: Refusal, now: Now, fx: &mut Vec<Effect>) {
        let Some(link) = self.links.get(id) else { return };
        self.counters.refused_by_peers += 1;
        if cause == Refusal::Oneself
            && let Some(address) = link.dialed.clone()
        {
            self.dialer.is_ourselves(&address, now.time);
            self.contacts.answered(address, self.id, &self.config.contacts);
        }
        // Of two processes with one id the one that knocks is the second.
        if cause == Refusal::DuplicateId && (link.peer != self.id || link.dialed.is_some()) {
            self.duplicate_since = Some(now.time);
        }
        fx.push(Effect::Event(Event::Refused { peer: link.peer, cause, by_peer: true }));
        fx.push(Effect::Close { link: id });
        if cause == Refusal::Forgotten {
            self.is_told_forgotten(fx);
        }
    }

    /// Links that were not greeted in time, and contests whose time is over.
    pub(super) fn check_greetings(&mut self, now: Now, fx: &mut Vec<Effect>) {
        for id in self.links.overdue(now.time) {
            let Some(link) = self.links.get(id) else { continue };
            if link.contested {
                let peer = link.peer;
                self.evict_silent(peer, now, fx);
                self.decide_contests(peer, now, fx);
            } else {
                self.drop_link(id, now, fx);
            }
        }
    }

    /// A frame on the old link: its process lives, so the other one is refused.
    pub(super) fn old_link_answers(&mut self, peer: NodeId, now: Now, fx: &mut Vec<Effect>) {
        if self.links.all_greeted() {
            return;
        }
        for id in self.contestants(peer) {
            self.refuse(id, Refusal::DuplicateId, now, fx);
        }
    }

    fn hello(&self) -> Hello {
        Hello {
            version_min: VERSION_MIN,
            version_max: VERSION_MAX,
            realm: self.config.realm.clone(),
            id: self.id,
            boot: self.boot,
            life: self.scopes.actor.life.0,
            name: self.config.name.clone(),
            address: self.config.address.clone(),
            zone: self.config.zone.clone(),
            hosted: self.config.hosted.clone(),
            born: Some(self.born.number),
        }
    }

    fn fault_of(&self, hello: &Hello, peer: NodeId) -> Option<Refusal> {
        let versions = hello.version_min <= VERSION_MAX && hello.version_max >= VERSION_MIN;
        match () {
            () if hello.realm != self.config.realm => Some(Refusal::Realm),
            () if hello.id != peer => Some(Refusal::WrongId),
            () if peer == self.id && hello.boot == self.boot => Some(Refusal::Oneself),
            () if peer == self.id => Some(Refusal::DuplicateId),
            () if !versions => Some(Refusal::Version),
            () if self.was_forgotten(peer, hello.born) => Some(Refusal::Forgotten),
            () => None,
        }
    }

    fn welcome(&mut self, id: LinkId, now: Now, fx: &mut Vec<Effect>) {
        let Some(hello) = self.links.get(id).and_then(|link| link.hello.as_ref()) else { return };
        let actor = Actor::new(hello.id, Life(hello.life));
        let tops =
            self.scopes.replicas.values().map(|replica| (replica.name(), replica.context().top(actor)));
        let known = tops.filter(|(_, top)| *top > 0).map(|(scope, top)| Known { scope: scope.clone(), top });
        let welcome = Welcome { version: hello.version_max.min(VERSION_MAX), known: known.collect() };
        send_on(id, Lane::Urgent, &Message::Welcome(welcome), fx);
        self.open_if_greeted(id, now, fx);
    }

    pub(super) fn refuse(&mut self, id: LinkId, cause: Refusal, now: Now, fx: &mut Vec<Effect>) {
        let Some(link) = self.links.get(id) else { return };
        let peer = link.peer;
        if cause == Refusal::Oneself
            && let Some(address) = link.dialed.clone()
        {
            self.dialer.is_ourselves(&address, now.time);
            self.contacts.answered(address, self.id, &self.config.contacts);
        }
        self.counters.refused += 1;
        fx.push(Effect::Event(Event::Refused { peer, cause, by_peer: false }));
        send_on(id, Lane::Urgent, &Message::Refuse(cause), fx);
        self.drop_link(id, now, fx);
    }

    pub(super) fn drop_link(&mut self, id: LinkId, now: Now, fx: &mut Vec<Effect>) {
        fx.push(Effect::Close { link: id });
        self.on_link_down(id, now, fx);
    }

    /// Ends all links to peers of which something is so, and says how many there were. Whether they may come again is the
    /// transport's affair.
    pub fn close_links(&mut self, is_so: impl Fn(NodeId) -> bool, now: Now, fx: &mut Vec<Effect>) -> usize {
        let links = self.links.with(is_so);
        links.iter().for_each(|link| self.drop_link(*link, now, fx));
        links.len()
    }

    /// Nothing but greetings has left us: is what a peer knows of our actor all ours?
    fn compare_lives(&mut self, known: &[Known], now: Now, fx: &mut Vec<Effect>) {
        let actor = self.scopes.actor;
        let empty = |known: &Known| {
            Replica::new(known.scope.clone(), actor, self.config.replica.clone(), self.config.rules)
        };
        let is_forked = known.iter().any(|known| match self.scopes.replicas.get(&known.scope) {
            Some(replica) => replica.is_forked_by(known.top),
            None => empty(known).is_forked_by(known.top),
        });
        let on_disk = self.scopes.replicas.values().any(Replica::has_unconfirmed);
        if is_forked {
            self.take_new_life(now, fx);
        } else {
            self.scopes.unconfirmed = false;
            self.scopes.replicas.values_mut().for_each(Replica::confirm);
            self.scopes.touched.extend(self.scopes.replicas.keys().cloned());
        }
        if on_disk {
            self.open_links_after_disk(now, fx);
        }
    }

    pub(super) fn open_if_greeted(&mut self, id: LinkId, now: Now, fx: &mut Vec<Effect>) {
        if self.gate.is_some() {
            return;
        }
        let Some(link) = self.links.get(id) else { return };
        let Some(hello) = link.hello.as_ref().filter(|_| link.welcomed && !link.contested && !link.open)
        else {
            return;
        };
        let (peer, hosted, greeting_us) = (link.peer, hello.hosted.clone(), link.greeting_us);
        let first = self.links.of(peer);
        let keeps_first = |first: &LinkId| self.is_preferred(*first, peer) && !self.is_preferred(id, peer);
        let (first, dialed) = (first.filter(keeps_first), link.dialed.clone());
        if let Some(address) = dialed {
            self.dialer.succeeded(&address, now.time);
            self.contacts.answered(address, peer, &self.config.contacts);
        }
        if let Some(first) = first {
            debug_assert_ne!(first, id);
            self.drop_link(id, now, fx);
            return;
        }
        self.scopes.peers_host.insert(peer, hosted);
        let replaced = self.links.open(id);
        if let Some(old) = replaced {
            self.drop_link(old, now, fx);
        }
        self.duplicate_since = None;
        self.redial = true;
        self.liveness.opened(peer, greeting_us, now.time);
        if replaced.is_some() {
            self.tell_neighbor_anew(peer, now, fx);
        }
        self.peer_found(peer, fx);
        self.offer_link(id, now, fx);
        self.ask_newly_linked(peer, now);
        self.send_calls(peer, fx);
    }

    /// Of two links between the same two processes the one dialled by the smaller id stays, as both sides see it. Of two
    /// dialled by the same side the newer stays: that side dials only when it has lost the older.
    fn is_preferred(&self, link: LinkId, peer: NodeId) -> bool {
        self.links.get(link).is_some_and(|link| link.dialed.is_some() == (self.id < peer))
    }

    fn boot_of(&self, link: LinkId) -> Option<u64> {
        self.links.get(link)?.hello.as_ref().map(|hello| hello.boot)
    }

    /// A second process claims the id of an open link: probe the old one first, so that a fast restart is not refused.
    fn contest(&mut self, id: LinkId, rival: LinkId, now: Now, fx: &mut Vec<Effect>) {
        let link = self.links.get_mut(id).expect("the caller looked it up");
        link.contested = true;
        self.links.wait_until(id, now.time.plus_ms(CONTEST_MS));
        let beat = self.beat(self.links.get(rival).map_or(self.id, |link| link.peer), 0, now);
        send_on(rival, Lane::Urgent, &Message::Ping(beat, None), fx);
    }

    fn contestants(&self, peer: NodeId) -> Vec<LinkId> {
        self.links.contested(peer)
    }

    fn evict_silent(&mut self, peer: NodeId, now: Now, fx: &mut Vec<Effect>) {
        if let Some(old) = self.links.of(peer) {
            self.drop_link(old, now, fx);
        }
    }

    /// With the old link gone, the newest claimant is welcome.
    fn decide_contests(&mut self, peer: NodeId, now: Now, fx: &mut Vec<Effect>) {
        if self.links.of(peer).is_some() {
            return;
        }
        let mut claimants = self.contestants(peer);
        let Some(newest) = claimants.pop() else { return };
        let link = self.links.get_mut(newest).expect("listed above");
        link.contested = false;
        self.links.wait_until(newest, now.time.plus_ms(GREETING_MS_MAX));
        self.welcome(newest, now, fx);
        claimants.into_iter().for_each(|id| self.drop_link(id, now, fx));
    }
}
