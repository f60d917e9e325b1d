//! Neighbours that are given, in place of those that the overlay would choose.

use std::collections::BTreeSet;

use damson_crdt::NodeId;

use super::{Overlay, OverlayEffect, OverlayInput, Reason};
use crate::time::Time;
use crate::wire::{Contact, OverlayMessage};

/// Most neighbours where they are given: as many links as trees have places for.
const NEIGHBORS_MAX: usize = 250;

/// The addresses of the neighbours that a node is to have, and no others but those that have it in their list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GivenNeighbors {
    /// Payloads are pushed to them.
    pub eager: BTreeSet<String>,
    /// They hear of payloads, and are pushed to once they asked for one, or while no other path is as good.
    pub lazy: BTreeSet<String>,
}

impl GivenNeighbors {
    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &String> {
        self.eager.iter().chain(&self.lazy)
    }

    /// Is this one of them?
    pub fn has(&self, address: &str) -> bool {
        self.eager.contains(address) || self.lazy.contains(address)
    }
}

/// What is known of open links where neighbours are given.
#[derive(Debug, Default)]
pub(super) struct GivenLinks {
    /// Peers that were given.
    named: BTreeSet<NodeId>,
    /// Of them, those that only hear of payloads at first.
    lazy: BTreeSet<NodeId>,
    /// Peers that were asked because none of these could be had.
    stand_ins: BTreeSet<NodeId>,
}

impl GivenLinks {
    fn forget(&mut self, peer: NodeId) {
        self.named.remove(&peer);
        self.lazy.remove(&peer);
        self.stand_ins.remove(&peer);
    }
}

impl Overlay {
    /// The neighbours that were given, if that is so.
    pub fn given(&self) -> Option<&GivenNeighbors> {
        self.config.given.as_ref()
    }

    /// Was this peer given as one that only hears of payloads at first?
    pub fn is_lazy(&self, peer: NodeId) -> bool {
        self.given.lazy.contains(&peer)
    }

    /// One more to push to. Nothing happens where the overlay chooses.
    pub fn give(&mut self, address: String) {
        if let Some(given) = self.config.given.as_mut().filter(|given| !given.has(&address)) {
            given.eager.insert(address);
        }
    }

    /// One less. Should it be a neighbour, it is one no longer.
    pub fn take_back(&mut self, address: &str, fx: &mut Vec<OverlayEffect>) {
        let Some(given) = &mut self.config.given else { return };
        if !given.eager.remove(address) & !given.lazy.remove(address) {
            return;
        }
        let there = self.active.values().find(|contact| contact.address == address);
        if let Some(peer) = there.map(|contact| contact.id) {
            self.given.forget(peer);
            self.dismiss(peer, fx);
        }
    }

    fn dismiss(&mut self, peer: NodeId, fx: &mut Vec<OverlayEffect>) {
        // Should it have been asked only, its answer comes too late.
        self.asked.remove(&peer);
        if self.active.remove(&peer).is_some() {
            self.counters.down += 1;
            fx.push(OverlayEffect::Down(peer));
            fx.push(OverlayEffect::Send(peer, OverlayMessage::Disconnect { instead: None }));
        }
    }

    /// The most neighbours.
    pub(super) fn limit(&self) -> usize {
        if self.given().is_some() { NEIGHBORS_MAX } else { self.config.active }
    }

    /// What happens where neighbours are given: they are asked, all who ask are taken, and nobody is looked for.
    pub(super) fn handle_given(&mut self, input: OverlayInput, now: Time, fx: &mut Vec<OverlayEffect>) {
        match input {
            OverlayInput::LinkOpen { contact, dialed, .. } => self.on_open_given(contact, dialed, now, fx),
            OverlayInput::Message(from, message) => match message {
                OverlayMessage::Join => self.on_neighbor(from, true, &[], now, fx),
                OverlayMessage::Neighbor { .. }
                | OverlayMessage::NeighborReply { .. }
                | OverlayMessage::Disconnect { .. } => self.on_message(from, message, now, fx),
                _ => self.counters.refused += 1,
            },
            OverlayInput::LinkClosed(peer) => {
                self.given.forget(peer);
                self.on_closed(peer, now, fx);
            }
            OverlayInput::Claimed(peer) => self.on_claimed(peer, fx),
            OverlayInput::Tick => self.check_asked(now),
            OverlayInput::DialFailed(_) | OverlayInput::Candidates(_) | OverlayInput::Gone(_) => {}
        }
        if self.given.named.iter().any(|peer| self.is_neighbor(*peer)) {
            while let Some(peer) = self.given.stand_ins.pop_first() {
                self.dismiss(peer, fx);
            }
        }
    }

    fn on_open_given(
        &mut self,
        contact: Contact,
        dialed: Option<String>,
        now: Time,
        fx: &mut Vec<OverlayEffect>,
    ) {
        self.open.insert(contact.id, contact.address.clone());
        let Some(given) = self.given() else { return };
        let addresses = || dialed.iter().chain([&contact.address]);
        let is_given = addresses().any(|address| given.has(address));
        let is_lazy = is_given && !addresses().any(|address| given.eager.contains(address));
        // Whoever has none of those that were given takes any member that answers, until one of them does.
        let stands_in = !is_given && dialed.is_some() && self.is_lonely();
        let of_its_kind = [
            (is_given, &mut self.given.named),
            (is_lazy, &mut self.given.lazy),
            (stands_in, &mut self.given.stand_ins),
        ];
        of_its_kind.into_iter().filter(|(is_so, _)| *is_so).for_each(|(_, kind)| _ = kind.insert(contact.id));
        if is_given || stands_in {
            self.ask(contact, Reason::Fill, now, fx);
        }
    }
}
