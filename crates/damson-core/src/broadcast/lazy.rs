//! Announcements: who has what, told to those to whom it is not pushed; and what is missing by what others told.

use std::collections::{BTreeMap, VecDeque};

use damson_crdt::NodeId;

use super::Stream;
use crate::time::Time;
use crate::wire::Have;

/// What a peer is known to have is remembered of so many authors.
const KNOWN_MAX: usize = 512;
/// Announcers that are remembered for each author.
const ANNOUNCERS_MAX: usize = 4;

/// One neighbour, as announcements see it.
#[derive(Debug, Default)]
pub(super) struct LazyLink {
    /// To be announced.
    pending: BTreeMap<Stream, u64>,
    /// What the peer has.
    known: BTreeMap<Stream, u64>,
    pub due: Option<Time>,
}

/// Something that others have and we do not.
#[derive(Debug)]
pub(super) struct Missing {
    /// The first of what was missing when it was last looked at.
    pub first: u64,
    pub last: u64,
    /// Who has it, and was not asked yet.
    pub announcers: VecDeque<NodeId>,
    /// When the next is asked.
    pub due: Time,
    /// Who was asked last.
    pub asked: Option<NodeId>,
    /// How often somebody was asked since something came.
    pub tries: u32,
}

impl LazyLink {
    /// Plans to announce. Returns how many announcements wait.
    pub fn plan(&mut self, stream: &Stream, last: u64, due: Time) -> usize {
        if self.known.get(stream).is_some_and(|known| *known >= last) {
            return self.pending.len();
        }
        match self.pending.get_mut(stream) {
            Some(pending) => *pending = (*pending).max(last),
            None => _ = self.pending.insert(stream.clone(), last),
        }
        self.due = Some(self.due.map_or(due, |at| at.min(due)));
        self.pending.len()
    }

    /// What is to be announced and was not yet.
    pub fn pending(&self) -> impl Iterator<Item = Have> {
        let have = |(stream, last): (&Stream, &u64)| Have {
            scope: stream.scope.clone(),
            actor: stream.actor,
            last: *last,
        };
        self.pending.iter().map(have)
    }

    /// Has the peer said that it holds just this?
    pub fn has(&self, stream: &Stream, last: u64) -> bool {
        self.known.get(stream) == Some(&last)
    }

    /// The peer has it: it need not be told.
    pub fn knows(&mut self, stream: &Stream, last: u64) {
        if self.pending.get(stream).is_some_and(|pending| *pending <= last) {
            self.pending.remove(stream);
        }
        if self.pending.is_empty() {
            self.due = None;
        }
        match self.known.get_mut(stream) {
            Some(known) => *known = (*known).max(last),
            None => {
                if self.known.len() >= KNOWN_MAX {
                    self.known.clear();
                }
                self.known.insert(stream.clone(), last);
            }
        }
    }

    /// Takes out some announcements.
    pub fn take(&mut self, max: usize) -> Vec<Have> {
        let mut haves = Vec::new();
        while haves.len() < max
            && let Some((stream, last)) = self.pending.pop_first()
        {
            haves.push(Have { scope: stream.scope, actor: stream.actor, last });
        }
        if self.pending.is_empty() {
            self.due = None;
        }
        haves
    }
}

impl Missing {
    pub fn announced(&mut self, peer: NodeId, last: u64, due: Time) {
        self.last = self.last.max(last);
        let known = self.announcers.contains(&peer) || self.asked == Some(peer);
        if !known && self.announcers.len() < ANNOUNCERS_MAX {
            self.announcers.push_back(peer);
            if self.asked.is_none() {
                self.due = self.due.min(due);
            }
        }
    }
}
