//! The questions of others that have no answer yet: they have to wait for operations, or for the disk.

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::{Actor, Context, NodeId};

use crate::scope::ScopeName;
use crate::time::Time;
use crate::wire::Have;

/// Who asks, and under which number. We ask ourselves too, for reads that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Asker {
    pub node: NodeId,
    pub nonce: u64,
}

#[derive(Debug, Default)]
pub(super) struct Questions {
    open: BTreeMap<Asker, Open>,
    counts: BTreeMap<NodeId, usize>,
    /// By what has to come, so that a change looks only at those whom it concerns.
    awaited: BTreeMap<ScopeName, BTreeMap<Actor, BTreeSet<(u64, Asker)>>>,
    /// All has come, and is on its way to the disk.
    writing: BTreeSet<(u64, Asker)>,
}

#[derive(Debug)]
struct Open {
    /// What was asked for.
    all: Vec<Have>,
    /// What of it has not come yet.
    parts: Vec<Have>,
    /// One of its scopes is on disk.
    stored: bool,
    asked: Time,
    ticket: Option<u64>,
}

impl Questions {
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Is anything of this scope waited for?
    pub fn is_awaited(&self, scope: &ScopeName) -> bool {
        self.awaited.contains_key(scope)
    }

    /// Was this asked before, and is still open? Then it is kept for longer. A number with another question is another
    /// question.
    pub fn again(&mut self, asker: Asker, parts: &[Have], now: Time) -> bool {
        let Some(open) = self.open.get_mut(&asker).filter(|open| open.all == parts) else { return false };
        open.asked = now;
        true
    }

    /// Takes a question, unless this node has asked too many.
    pub fn open(&mut self, asker: Asker, parts: Vec<Have>, stored: bool, now: Time, max: usize) -> bool {
        self.close(asker);
        let count = self.counts.entry(asker.node).or_default();
        if *count >= max {
            return false;
        }
        *count += 1;
        for part in &parts {
            let by_actor = self.awaited.entry(part.scope.clone()).or_default();
            by_actor.entry(part.actor).or_default().insert((part.last, asker));
        }
        self.open.insert(asker, Open { all: parts.clone(), parts, stored, asked: now, ticket: None });
        true
    }

    /// A scope's context has grown: those of whom nothing is missing any more.
    pub fn reached(&mut self, scope: &ScopeName, context: &Context) -> Vec<Asker> {
        let Some(by_actor) = self.awaited.get(scope) else { return Vec::new() };
        let mut come = Vec::new();
        for (actor, numbers) in by_actor {
            let end = context.of(*actor).and_then(|seen| seen.end_of(1)).unwrap_or(0);
            let here = numbers.iter().take_while(|(last, _)| *last <= end);
            come.extend(here.map(|(last, asker)| (*actor, *last, *asker)));
        }
        let mut done = Vec::new();
        for (actor, last, asker) in come {
            let part = Have { scope: scope.clone(), actor, last };
            self.forget_part(&part, asker);
            let Some(open) = self.open.get_mut(&asker) else { continue };
            open.parts.retain(|other| *other != part);
            if open.parts.is_empty() {
                done.push(asker);
            }
        }
        done
    }

    /// Has it to be on disk? `None` when the question is over.
    pub fn is_stored(&self, asker: Asker) -> Option<bool> {
        self.open.get(&asker).map(|open| open.stored)
    }

    /// What has come for it is on disk with this ticket.
    pub fn write(&mut self, asker: Asker, ticket: u64) {
        let Some(open) = self.open.get_mut(&asker) else { return };
        if open.ticket.replace(ticket).is_none() {
            self.writing.insert((ticket, asker));
        }
    }

    /// The latest ticket that somebody waits for.
    pub fn wanted_ticket(&self) -> Option<u64> {
        self.writing.last().map(|(ticket, _)| *ticket)
    }

    /// Takes out those who waited for the disk up to this ticket.
    pub fn written(&mut self, ticket: u64) -> Vec<Asker> {
        let done: Vec<Asker> =
            self.writing.iter().take_while(|(at, _)| *at <= ticket).map(|(_, asker)| *asker).collect();
        done.iter().for_each(|asker| self.close(*asker));
        done
    }

    /// A question is over.
    pub fn close(&mut self, asker: Asker) {
        let Some(open) = self.open.remove(&asker) else { return };
        open.parts.iter().for_each(|part| self.forget_part(part, asker));
        open.ticket.into_iter().for_each(|ticket| _ = self.writing.remove(&(ticket, asker)));
        if let Some(count) = self.counts.get_mut(&asker.node) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&asker.node);
            }
        }
    }

    /// All questions of a node are over.
    pub fn lost(&mut self, node: NodeId) {
        let all = Asker { node, nonce: 0 }..=Asker { node, nonce: u64::MAX };
        let gone: Vec<Asker> = self.open.range(all).map(|(asker, _)| *asker).collect();
        gone.into_iter().for_each(|asker| self.close(asker));
    }

    /// Questions of others that were not asked again since then are over.
    pub fn expire(&mut self, us: NodeId, since: Time) {
        let old = |(asker, open): &(&Asker, &Open)| asker.node != us && open.asked < since;
        let gone: Vec<Asker> = self.open.iter().filter(old).map(|(asker, _)| *asker).collect();
        gone.into_iter().for_each(|asker| self.close(asker));
    }

    fn forget_part(&mut self, part: &Have, asker: Asker) {
        let Some(by_actor) = self.awaited.get_mut(&part.scope) else { return };
        if let Some(numbers) = by_actor.get_mut(&part.actor) {
            numbers.remove(&(part.last, asker));
            if numbers.is_empty() {
                by_actor.remove(&part.actor);
            }
        }
        if by_actor.is_empty() {
            self.awaited.remove(&part.scope);
        }
    }
}
