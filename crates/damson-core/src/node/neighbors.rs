//! The overlay, wired: which links there are, and who of their peers is a neighbour.
//!
//! A cluster that fits into the active view is a full mesh: all members are dialled, for ever. In a larger one the overlay
//! says whom to dial, and other links are *guests*: to join, to ask, to probe for others, to compare after a split. They
//! are closed when they have been quiet for a while.

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::NodeId;
use rand_core::Rng;

use super::effects::{Effect, Lane, LinkId};
use super::{Node, Now};
use crate::membership::{MemberState, OverlayEffect, OverlayInput};
use crate::time::Time;
use crate::wire::{Contact, Message};

/// How long a guest's link may be quiet, in milliseconds.
const GUEST_MS: u64 = 3_000;
/// How many look for the same one at once, on average.
const REGROUP_PROBERS: usize = 3;
/// How much more seldom the dead are tried, in case that only we take them for dead.
const REGROUP_DEAD_SELDOM: usize = 10;
/// Members that are looked at in one go, and members that are tried.
const REGROUP_LOOKED_AT: usize = 64;
const REGROUP_MAX: usize = 4;
/// Members offered when the passive view is exhausted.
const CANDIDATES_MAX: usize = 30;

/// Members that are dialled to see whether they live.
#[derive(Debug, Default)]
pub(super) struct Regroup {
    dialed: BTreeMap<String, NodeId>,
    /// Up to whom members were looked at; absent before the first.
    looked_at: Option<NodeId>,
    /// Who asked us to reach a member: the member, the asker, its nonce, since when.
    pub asked: Vec<(NodeId, NodeId, u64, Time)>,
}

impl Node {
    /// Hands something to the overlay, and does what it wants.
    pub(super) fn overlay_input(&mut self, input: OverlayInput, now: Now, fx: &mut Vec<Effect>) {
        let mut effects = Vec::new();
        self.overlay.set_members(self.broadcast.reachable());
        self.overlay.handle(input, now.time, &mut effects);
        self.carry_out_overlay(effects, now, fx);
    }

    pub(super) fn carry_out_overlay(&mut self, effects: Vec<OverlayEffect>, now: Now, fx: &mut Vec<Effect>) {
        for effect in effects {
            match effect {
                OverlayEffect::Send(to, message) => {
                    self.send(to, Lane::Urgent, &Message::Overlay(message), fx);
                }
                OverlayEffect::Dial(contact) => self.dial_now(&contact.address, now, fx),
                OverlayEffect::Up(peer) => self.tell_neighbor(peer, now, fx),
                OverlayEffect::Down(peer) => {
                    self.broadcast.link_down(peer, now.time);
                    self.redial = true;
                }
                OverlayEffect::NeedCandidates => {
                    let candidates = self.candidates();
                    if !candidates.is_empty() {
                        self.overlay_input(OverlayInput::Candidates(candidates), now, fx);
                    }
                }
            }
        }
    }

    fn tell_neighbor(&mut self, peer: NodeId, now: Now, fx: &mut Vec<Effect>) {
        let round_trip_us = self.liveness.round_trip_us(peer).unwrap_or_default();
        self.broadcast.link_up(peer, round_trip_us, now.time);
        if self.overlay.is_lazy(peer) {
            self.broadcast.be_lazy(peer);
        }
        self.tell_cast_tops(peer, now, fx);
    }

    /// Another link stands for a neighbour's: what was on its way over the old one may not have come.
    pub(super) fn tell_neighbor_anew(&mut self, peer: NodeId, now: Now, fx: &mut Vec<Effect>) {
        if self.overlay.is_neighbor(peer) {
            self.tell_neighbor(peer, now, fx);
        }
    }

    /// A link is open.
    pub(super) fn offer_link(&mut self, id: LinkId, now: Now, fx: &mut Vec<Effect>) {
        let Some(link) = self.links.get(id) else { return };
        let (peer, dialed) = (link.peer, link.dialed.clone());
        let address = link.hello.as_ref().map(|hello| hello.address.clone()).unwrap_or_default();
        let contact = Contact { id: peer, address };
        self.vouch(peer, fx);
        self.regroup.dialed.retain(|_, id| *id != peer);
        let apart = dialed.is_some() && self.is_apart(peer);
        self.overlay_input(OverlayInput::LinkOpen { contact, dialed, apart }, now, fx);
    }

    /// Does it live where no path of ours leads to?
    fn is_apart(&self, peer: NodeId) -> bool {
        !self.overlay.is_lonely() && self.broadcast.is_apart(peer)
    }

    /// Is the cluster so small that all link to all?
    pub(super) fn is_mesh(&self) -> bool {
        let ours = self.roster.get(self.id).is_some_and(|member| member.state != MemberState::Left);
        let others = self.roster.len() - self.roster.left() - usize::from(ours);
        self.config.roster && self.overlay.given().is_none() && others <= self.config.overlay.active
    }

    /// Addresses to dial again and again: in a mesh all members, with true where the other may dial first; and, there or
    /// without any neighbour, the contacts. Where neighbours are given those, and the contacts when all of them have failed.
    pub(super) fn wanted_addresses(&self) -> BTreeMap<String, bool> {
        let mut wanted = self.wanted_given();
        let mesh = self.is_mesh();
        let hopes = self.overlay.given().is_some_and(|given| {
            wanted.len() < given.all().count() || wanted.keys().any(|given| !self.dialer.has_failed(given))
        });
        if !mesh && (hopes || !self.overlay.is_lonely()) {
            return wanted;
        }
        let taken = self.linked_addresses();
        let unlinked = self.roster.iter().filter(|m| m.id != self.id && self.links.of(m.id).is_none());
        for member in unlinked.filter(|_| mesh) {
            let dialable = member.state != MemberState::Left && !member.address.is_empty();
            if dialable && !taken.contains(member.address.as_str()) && member.address != self.config.address {
                wanted.insert(member.address.clone(), self.id > member.id);
            }
        }
        let open = |contact: &&String| {
            let linked = self.contacts.id_of(contact).is_some_and(|id| self.links.of(id).is_some());
            !linked && !taken.contains(contact.as_str()) && **contact != self.config.address
        };
        let found = self.contacts.found().filter(open).take(self.config.dial.contacts_at_once);
        for contact in self.config.contacts.iter().filter(open).chain(found) {
            wanted.insert(contact.clone(), false);
        }
        wanted
    }

    /// The neighbours that were given and are not linked.
    fn wanted_given(&self) -> BTreeMap<String, bool> {
        let all = self.overlay.given().into_iter().flat_map(|given| given.all());
        let open = all.filter_map(|address| {
            let id = self.contacts.id_of(address);
            let linked = id.is_some_and(|id| self.links.of(id).is_some()) || *address == self.config.address;
            (!linked).then(|| (address.clone(), id.is_some_and(|id| self.id > id)))
        });
        open.collect()
    }

    /// Other contacts than before were discovered.
    pub(super) fn on_contacts(&mut self, addresses: Vec<String>) {
        let (fixed, max) = (&self.config.contacts, self.config.dial.contacts_max);
        self.redial |= self.contacts.replace(addresses, fixed, max, &mut self.rng);
    }

    /// Closes guests' links that are not used any more.
    pub(super) fn show_guests_out(&mut self, now: Now, fx: &mut Vec<Effect>) {
        let quiet = |node: &Self, peer: NodeId| {
            let link = node.links.of(peer).and_then(|id| node.links.get(id));
            link.is_some_and(|link| now.time.ms_since(link.heard) > GUEST_MS)
        };
        let peers: Vec<NodeId> = self.links.peers().collect();
        for peer in peers {
            let needed = self.overlay.needs(peer) || self.overlay.is_lonely() || self.sync.is_busy(peer);
            let needed = needed || self.acks.needs(peer) || self.calls.needs(peer);
            if let Some(id) = self.links.of(peer).filter(|_| !needed && quiet(self, peer)) {
                self.drop_link(id, now, fx);
            }
        }
    }

    /// Looks for members that live where no path leads to: split from us, or dead without a neighbour that could tell.
    /// A few nodes try each of them; what they find is known to all then.
    pub(super) fn regroup(&mut self, now: Now, fx: &mut Vec<Effect>) {
        self.regroup.asked.retain(|(.., since)| now.time.ms_since(*since) < 5_000);
        let chosen_elsewhere = self.is_mesh() || self.overlay.given().is_some();
        if self.leaving || chosen_elsewhere || self.overlay.is_lonely() {
            return;
        }
        let mut chosen = self.lost_members();
        for _ in 0..REGROUP_MAX.min(chosen.len()) {
            let at = usize::try_from(self.rng.next_u64() % chosen.len() as u64).expect("an index");
            let (id, address) = chosen.swap_remove(at);
            self.regroup.dialed.insert(address.clone(), id);
            self.dial_now(&address, now, fx);
        }
        let present = self.roster.present().max(1) as u64;
        if self.rng.next_u64() % present < REGROUP_PROBERS as u64
            && let Some(address) = self.stranger()
        {
            self.dial_now(&address, now, fx);
        }
    }

    /// Of the next members in the roster's order, those to which no path leads, drawn so that a few nodes draw each of them
    /// in a second.
    fn lost_members(&mut self) -> Vec<(NodeId, String)> {
        let (present, all) = (self.roster.present().max(1) as u64, self.roster.len() as u64);
        let looked_at = all.min(REGROUP_LOOKED_AT as u64);
        let begin = self.regroup.looked_at.unwrap_or(self.id);
        let mut lost = Vec::new();
        for member in self.roster.round_from(begin).take(REGROUP_LOOKED_AT) {
            self.regroup.looked_at = Some(member.id);
            let odds = match member.state {
                MemberState::Alive | MemberState::Suspect => REGROUP_PROBERS * REGROUP_DEAD_SELDOM,
                MemberState::Dead => REGROUP_PROBERS,
                MemberState::Left => 0,
            };
            let dialable = member.id != self.id && !member.address.is_empty();
            let is_lost =
                dialable && self.links.of(member.id).is_none() && self.broadcast.is_apart(member.id);
            if is_lost
                && self.rng.next_u64() % (present * looked_at * REGROUP_DEAD_SELDOM as u64)
                    < odds as u64 * all
            {
                lost.push((member.id, member.address.clone()));
            }
        }
        lost
    }

    /// A contact at whose address no member is known: nodes may live there that never heard of us, nor we of them.
    fn stranger(&mut self) -> Option<String> {
        if !self.config.roster {
            return None;
        }
        let members: BTreeSet<&str> = self.roster.iter().map(|member| member.address.as_str()).collect();
        let is_known = |contact: &str| {
            let id = self.contacts.id_of(contact);
            members.contains(contact) || id.is_some_and(|id| id == self.id || self.roster.get(id).is_some())
        };
        let all = self.config.contacts.iter().chain(self.contacts.found());
        let mut strangers: Vec<&String> = all.filter(|contact| !is_known(contact)).collect();
        if strangers.is_empty() {
            return None;
        }
        let at = usize::try_from(self.rng.next_u64() % strangers.len() as u64).expect("an index");
        Some(strangers.swap_remove(at).clone())
    }

    /// A dial has failed: who wanted it is told.
    pub(super) fn on_dial_failed(&mut self, address: &str, now: Now, fx: &mut Vec<Effect>) {
        self.dialer.failed(address, now.time);
        self.contacts.put_last(address);
        self.redial = true;
        self.fail_calls_at(address, fx);
        self.overlay_input(OverlayInput::DialFailed(address.to_string()), now, fx);
        let dialed = self.regroup.dialed.remove(address);
        if let Some(id) = dialed.or_else(|| self.member_of_mesh(address))
            && self.links.of(id).is_none()
            && !self.liveness.probes(id)
            && self.roster.get(id).is_some_and(|member| member.state == MemberState::Alive)
        {
            self.probe_through_others(id, now, fx);
        }
    }

    /// In a mesh, where all are linked to all, a member that cannot be dialled is missing.
    fn member_of_mesh(&self, address: &str) -> Option<NodeId> {
        if !self.is_mesh() {
            return None;
        }
        let there = self.roster.iter().find(|member| member.address == address);
        there.map(|member| member.id).filter(|id| *id != self.id)
    }

    pub(super) fn dial_now(&mut self, address: &str, now: Now, fx: &mut Vec<Effect>) {
        if !self.leaving && address != self.config.address && self.dialer.dial_now(address, now.time) {
            fx.push(Effect::Dial { address: address.to_string() });
        }
    }

    /// Whom others asked us to reach, we have reached.
    fn vouch(&mut self, peer: NodeId, fx: &mut Vec<Effect>) {
        let reached: Vec<_> = self.regroup.asked.extract_if(.., |(target, ..)| *target == peer).collect();
        for (target, asker, nonce, _) in reached {
            self.send(asker, Lane::Urgent, &Message::PingVouch { nonce, target }, fx);
        }
    }

    fn linked_addresses(&self) -> BTreeSet<&str> {
        let mut taken: BTreeSet<&str> = BTreeSet::new();
        for peer in self.links.peers() {
            taken.extend(self.roster.get(peer).map(|member| member.address.as_str()));
            taken.extend(self.links.hello_of(peer).map(|hello| hello.address.as_str()));
        }
        taken
    }

    /// Members that could become neighbours: those that are present, or, should there be none, any that have not left.
    fn candidates(&mut self) -> Vec<Contact> {
        let contact = |m: &crate::membership::Member| Contact { id: m.id, address: m.address.clone() };
        let others = || {
            self.roster
                .iter()
                .filter(|m| m.id != self.id && !m.address.is_empty() && !self.overlay.needs(m.id))
        };
        let mut found: Vec<Contact> = others().filter(|m| m.state.is_present()).map(contact).collect();
        if found.is_empty() {
            found = others().filter(|m| m.state != MemberState::Left).map(contact).collect();
        }
        while found.len() > CANDIDATES_MAX {
            let at = usize::try_from(self.rng.next_u64() % found.len() as u64).expect("an index");
            found.swap_remove(at);
        }
        found
    }
}
