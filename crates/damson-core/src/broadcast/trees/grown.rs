//! Trees that are grown by payloads: for authors beyond the table of distances, at one bit for each link and author.
//!
//! As in Plumtree's paper (section 3.4), but for each author: a link is *eager* until a payload came over it that was
//! known, which makes it *lazy* at both ends; what was announced over a lazy link and had to be asked for makes it eager
//! again. What is left after an author's first payload is the tree on which that one came fastest. Nothing needs to be
//! told in advance, and nothing is forgotten but with its link.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::super::sources::SourceTable;
use super::distance::{CHILD, Distance, UNKNOWN};

#[derive(Debug)]
pub(super) struct GrownTrees {
    table: Arc<SourceTable>,
    authors_max: usize,
    links: Vec<GrownLink>,
    /// The author whose place is given to the next when the table is full.
    oldest: usize,
}

#[derive(Debug, Default)]
struct GrownLink {
    /// A bit for each author, 64 in a word; a missing word has none.
    lazy: Vec<u64>,
    /// What the peer is to be told.
    unsaid: BTreeMap<u32, Distance>,
}

/// What waits to be said over one link. Beyond that a duplicate will come once more.
const UNSAID_MAX: usize = 4_096;

impl GrownTrees {
    pub fn new(table: Arc<SourceTable>, authors_max: usize) -> Self {
        Self { table, authors_max: authors_max.max(1), links: Vec::new(), oldest: 0 }
    }

    pub fn link_up(&mut self, at: usize) {
        if at >= self.links.len() {
            self.links.resize_with(at + 1, GrownLink::default);
        }
        self.links[at] = GrownLink::default();
    }

    pub fn link_down(&mut self, at: usize) {
        self.links[at] = GrownLink::default();
    }

    /// Does a payload of the author with this number go over the link?
    pub fn is_eager(&self, at: usize, slot: usize) -> bool {
        let word = self.links[at].lazy.get(slot / 64);
        word.is_none_or(|word| word & (1 << (slot % 64)) == 0)
    }

    /// An author's number, if a payload of it was pushed.
    pub fn slot(&self, key: u32) -> Option<usize> {
        self.table.slot(key)
    }

    /// The peer wants this author's payloads pushed, or does not. False when none was pushed: then nothing is noted.
    pub fn hear(&mut self, at: usize, key: u32, is_eager: bool) -> bool {
        let slot = self.table.slot(key);
        slot.into_iter().for_each(|slot| self.links[at].set(slot, is_eager));
        slot.is_some()
    }

    /// We want this author's payloads pushed by the peer, or do not; the link is so at both ends.
    pub fn choose(&mut self, at: usize, key: u32, is_eager: bool) {
        let slot = self.enter(key);
        self.links[at].set(slot, is_eager);
        self.say(at, key, is_eager);
    }

    /// To be told to the peer: that we want this author's payloads pushed, or not.
    pub fn say(&mut self, at: usize, key: u32, is_eager: bool) {
        let unsaid = &mut self.links[at].unsaid;
        if unsaid.len() < UNSAID_MAX {
            unsaid.insert(key, if is_eager { CHILD } else { UNKNOWN });
        }
    }

    /// Which links are lazy, as they are after payloads of all authors.
    pub fn plant(&mut self, at: usize, lazy: Vec<u64>) {
        self.links[at].lazy = lazy;
    }

    pub fn has_unsaid(&self, at: usize) -> bool {
        self.links.get(at).is_some_and(|link| !link.unsaid.is_empty())
    }

    /// Takes out some of what is to be said.
    pub fn take_unsaid(&mut self, at: usize, max: usize) -> impl Iterator<Item = (u32, Distance)> {
        let unsaid = &mut self.links[at].unsaid;
        let rest = unsaid.keys().nth(max).copied().map(|key| unsaid.split_off(&key)).unwrap_or_default();
        std::mem::replace(unsaid, rest).into_iter()
    }

    pub fn bytes(&self) -> usize {
        self.links.iter().map(|link| link.lazy.capacity() * 8).sum()
    }

    pub fn is_full(&self) -> bool {
        self.table.len() >= self.authors_max
    }

    /// An author's number; a full table forgets another one, whose next payload grows its tree again.
    pub fn enter(&mut self, key: u32) -> usize {
        if let Some(slot) = self.table.slot(key) {
            return slot;
        }
        if !self.is_full() {
            return Arc::make_mut(&mut self.table).insert(key);
        }
        self.oldest = (self.oldest + 1) % self.table.len();
        let slot = self.oldest;
        Arc::make_mut(&mut self.table).reuse(slot, key);
        self.links.iter_mut().for_each(|link| link.set(slot, true));
        slot
    }
}

impl GrownLink {
    fn set(&mut self, slot: usize, is_eager: bool) {
        let (word, bit) = (slot / 64, 1 << (slot % 64));
        if is_eager {
            self.lazy.get_mut(word).into_iter().for_each(|word| *word &= !bit);
            return;
        }
        if word >= self.lazy.len() {
            self.lazy.resize(word + 1, 0);
        }
        self.lazy[word] |= bit;
    }
}
