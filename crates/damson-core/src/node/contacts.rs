//! Contacts that were discovered or named while the node runs, beside those of its configuration.
//!
//! A name or a file may list a whole cluster. A few are dialled at once, in random order; one that did not answer goes to
//! the end of the queue, so that all have their turn.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use damson_crdt::NodeId;
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use super::effects::Effect;
use super::{Node, Now};

/// Longest address of a discovered contact, in bytes.
const ADDRESS_BYTES_MAX: usize = 255;

#[derive(Debug, Default)]
pub(super) struct Contacts {
    found: VecDeque<String>,
    /// Who answered at the addresses of contacts.
    ids: BTreeMap<String, NodeId>,
}

impl Contacts {
    /// Takes other discovered contacts instead of those before, at most `max`; what is in the configuration counts as
    /// that. Those that stay keep their places, new ones go before them. Says whether anything has changed.
    pub fn replace(
        &mut self,
        addresses: Vec<String>,
        fixed: &[String],
        max: usize,
        rng: &mut ChaCha8Rng,
    ) -> bool {
        let usable = |address: &String| {
            !address.is_empty() && address.len() <= ADDRESS_BYTES_MAX && !fixed.contains(address)
        };
        let mut fresh = BTreeSet::new();
        for address in addresses.into_iter().filter(usable) {
            if fresh.len() < max {
                fresh.insert(address);
            }
        }
        let before = self.found.len();
        let Self { found, ids } = self;
        found.retain(|address| {
            let stays = fresh.remove(address);
            if !stays {
                ids.remove(address);
            }
            stays
        });
        let changed = found.len() != before || !fresh.is_empty();
        let mut fresh: Vec<String> = fresh.into_iter().collect();
        while !fresh.is_empty() {
            let at = usize::try_from(rng.next_u64() % fresh.len() as u64).expect("an index");
            found.push_front(fresh.swap_remove(at));
        }
        changed
    }

    /// The discovered ones, the next to be dialled first.
    pub fn found(&self) -> impl Iterator<Item = &String> {
        self.found.iter()
    }

    /// It did not answer, or its link is gone: the others have their turn.
    pub fn put_last(&mut self, address: &str) {
        if let Some(at) = self.found.iter().position(|found| found == address) {
            let last = self.found.remove(at);
            self.found.extend(last);
        }
    }

    /// Somebody answers at an address.
    pub fn answered(&mut self, address: String, peer: NodeId, fixed: &[String]) {
        if fixed.contains(&address) || self.found.contains(&address) {
            self.ids.insert(address, peer);
        }
    }

    /// Who answered last at a contact's address.
    pub fn id_of(&self, address: &str) -> Option<NodeId> {
        self.ids.get(address).copied()
    }

    /// It is named no longer, though it may be among the discovered ones.
    fn unnamed(&mut self, address: &str) {
        if !self.found.iter().any(|found| found == address) {
            self.ids.remove(address);
        }
    }
}

impl Node {
    /// Names one more contact, as those of the configuration are; where neighbours are given, one of them. False when it is one
    /// already.
    ///
    /// # Errors
    /// The limit, [`DialConfig::contacts_max`](super::DialConfig::contacts_max), when there are as many already.
    pub fn add_contact(&mut self, address: String) -> Result<bool, usize> {
        let limit = self.config.dial.contacts_max;
        if self.config.contacts.contains(&address) {
            return Ok(false);
        }
        if self.config.contacts.len() >= limit {
            return Err(limit);
        }
        self.config.contacts.push(address.clone());
        self.overlay.give(address);
        (self.due, self.redial) = (None, true);
        Ok(true)
    }

    /// A contact is named no longer, and not dialled for that any more; where neighbours are given it is none any more. False when
    /// it was none, or was discovered.
    pub fn remove_contact(&mut self, address: &str, now: Now, fx: &mut Vec<Effect>) -> bool {
        let before = self.config.contacts.len();
        let mut effects = Vec::new();
        self.overlay.take_back(address, &mut effects);
        self.carry_out_overlay(effects, now, fx);
        self.config.contacts.retain(|contact| contact != address);
        self.contacts.unnamed(address);
        (self.due, self.redial) = (None, true);
        self.config.contacts.len() < before
    }

    /// All contacts with whoever is known to be there: those that were named, in their order, and then the discovered ones.
    pub fn contacts(&self) -> impl Iterator<Item = (&str, Option<NodeId>)> {
        let discovered = self.contacts.found().filter(|found| !self.config.contacts.contains(found));
        let all = self.config.contacts.iter().chain(discovered);
        all.map(|address| {
            let member = || self.roster.iter().find(|member| member.address == *address);
            (address.as_str(), self.contacts.id_of(address).or_else(|| member().map(|member| member.id)))
        })
    }
}
