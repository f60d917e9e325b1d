//! The start of a node: from rows to replicas, and the choice of its life.
//!
//! Every start is a new life, but for one after a clean stop: the mark that the stop left names the life, and the digest
//! of the state that it left, which must be the one that was loaded. The driver consumes the mark before it asks. A start
//! whose rows were written under another node's id begins a new life too: the node's key was replaced. A start
//! that finds damage begins empty: what it does not hold it must not claim to know (rule 11). Whoever is alone can have what
//! is left written anew.

use std::collections::BTreeMap;

use bytes::Bytes;
use damson_crdt::{Actor, Digest, Life, NodeId, Rule};
use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use super::config::Config;
use super::forgotten::Born;
use super::scopes::ScopeTable;
use super::{Effect, Node};
use crate::persist::{LIFE_KEY, Row, Table};
use crate::replica::{Loader, Replica};
use crate::scope::ScopeName;
use crate::time::Now;

/// Collects what the disk holds, then starts a node.
#[derive(Debug)]
pub struct Boot {
    config: Config,
    id: NodeId,
    rng: ChaCha8Rng,
    loader: Loader,
    stored_life: Option<Life>,
    born: Option<Born>,
    /// Who wrote the rows; absent where an earlier version did.
    author: Option<NodeId>,
    damage: Option<String>,
    checked: bool,
    rewrites: bool,
}

/// How a node has started.
#[derive(Debug)]
pub struct Started {
    /// The node.
    pub node: Node,
    /// What it wants done first.
    pub effects: Vec<Effect>,
    /// The life goes on after a clean stop.
    pub continued: bool,
    /// What was wrong with the rows, if anything: then the driver has to remove or set aside all rows before it carries out
    /// the effects. The node begins empty, or with what was left.
    pub damage: Option<String>,
}

impl Boot {
    /// Begins a start. `rng` must be seeded with real entropy, except in simulators: lives are drawn from it.
    pub fn new(config: Config, id: NodeId, mut rng: ChaCha8Rng) -> Self {
        let life = Life(rng.next_u64());
        let loader = Loader::new(Actor::new(id, life), config.replica.clone(), config.rules);
        Self {
            config,
            id,
            rng,
            loader,
            stored_life: None,
            born: None,
            author: None,
            damage: None,
            checked: false,
            rewrites: false,
        }
    }

    /// Takes a row.
    pub fn row(&mut self, table: Table, key: &[u8], value: &[u8]) {
        if key == LIFE_KEY {
            if let Some((life, rest)) = value.split_first_chunk::<8>() {
                self.stored_life = Some(Life(u64::from_be_bytes(*life)));
                self.born = Born::decode(rest);
                let author = rest.get(Born::BYTES..).and_then(|rest| rest.first_chunk());
                self.author = author.map(|id| NodeId(*id));
            }
        } else if let Err(error) = self.loader.row(table, key, value) {
            self.damaged(error.to_string());
        }
    }

    /// The store has found rows that it cannot give back.
    pub fn damaged(&mut self, what: String) {
        self.damage.get_or_insert(what);
    }

    /// Have the other members forgotten whose rows these are? Then the driver sets them aside and begins without any. To be
    /// asked after the last row.
    pub fn is_forgotten(&self) -> bool {
        self.born.is_some_and(|born| born.forgotten)
    }

    /// What is wrong with the rows, if anything. To be asked after the last.
    pub fn damage(&mut self) -> Option<&str> {
        if !std::mem::replace(&mut self.checked, true)
            && let Err(error) = self.loader.check()
        {
            self.damaged(error.to_string());
        }
        self.damage.as_deref()
    }

    /// Should there be damage, what is left is written anew, by a new life. Only for a node that is alone: where others have
    /// the same, counters would count twice, and what was deleted meanwhile would be back.
    pub fn rewrite_what_is_left(&mut self) {
        self.rewrites = true;
    }

    /// Starts the node. `mark` is what the last clean stop left; it must be gone from the disk by now.
    pub fn finish(mut self, mark: Option<&[u8]>, now: Now) -> Started {
        self.damage();
        let Self { config, id, mut rng, loader, stored_life, born, author, damage, rewrites, .. } = self;
        let next = Actor::new(id, Life(rng.next_u64()));
        let mut replicas = loader.unchecked();
        let mut left = BTreeMap::new();
        if config.rules.holds(Rule::DamageBelieved) && damage.is_some() {
            left = std::mem::take(&mut replicas);
            left.retain(|name, _| rewrites && !name.is_system());
        }
        let former = author.filter(|author| *author != id);
        former
            .iter()
            .for_each(|node| replicas.values_mut().for_each(|replica| replica.was_written_by(*node)));
        let goes_on = former.is_none() && damage.is_none();
        let continued = mark.and_then(|mark| continued_life(mark, &replicas)).filter(|_| goes_on);
        let kept = if config.rules.holds(Rule::SameLife) { continued } else { continued.or(stored_life) };
        let actor = Actor::new(id, kept.unwrap_or(next.life));
        let begun = Born { number: rng.next_u64(), forgotten: false };
        let born = born.filter(|_| damage.is_none()).unwrap_or(begun);
        let mut node = Node::assemble(config, actor, replicas, born, rng, now);
        match kept {
            Some(_) => {
                node.scopes.unconfirmed = true;
                node.scopes.replicas.values_mut().for_each(|replica| replica.continue_as(actor));
            }
            None => node.begin_new_life(actor, now),
        }
        left.iter().for_each(|(name, rest)| node.rewrite(name, rest, now));
        let mut effects = Vec::new();
        node.store_life(&mut effects);
        node.announce_itself(now, &mut effects);
        if kept.is_none() {
            node.open_links_after_disk(now, &mut effects);
        }
        Started { node, effects, continued: continued.is_some(), damage }
    }
}

impl Node {
    /// The mark of a clean stop: to be left on disk after everything else is.
    pub fn stop_mark(&self) -> Bytes {
        let digest = digest_of(&self.scopes.replicas);
        [&self.scopes.actor.life.0.to_be_bytes()[..], &digest.0].concat().into()
    }

    /// Gives all replicas another actor; what is unconfirmed becomes its own.
    pub(super) fn begin_new_life(&mut self, next: Actor, now: Now) {
        self.scopes.actor = next;
        self.scopes.unconfirmed = false;
        for (name, replica) in &mut self.scopes.replicas {
            let hlc = self.clock.tick(now.wall_ms);
            replica.take_new_life(next, hlc, now.wall_ms);
            self.scopes.touched.insert(name.clone());
        }
    }

    fn rewrite(&mut self, name: &ScopeName, rest: &Replica, now: Now) {
        if let Some(replica) = self.scopes.get_or_create(name) {
            replica.rewrite(rest, now.wall_ms, || self.clock.tick(now.wall_ms));
            self.scopes.touched.insert(name.clone());
        }
    }

    /// Ends this life and begins another, for good once the rows are on disk.
    pub(super) fn go_on_as_another(&mut self, now: Now, fx: &mut Vec<Effect>) -> Life {
        let begun = Life(self.rng.next_u64());
        let next = Actor::new(self.id, begun);
        self.rename_waits(next, fx);
        self.begin_new_life(next, now);
        self.store_life(fx);
        begun
    }

    /// Makes the state fit to be copied: when this returns nothing in user scopes is unconfirmed, and once its effects are
    /// carried out nothing of them on disk is, either. (What the system writes at each start is not copied.)
    ///
    /// A copy with unconfirmed operations would show them under a name under which they may never be issued: should a
    /// peer know better, they become a new life's here, and whoever met the copy would have them twice. So a new life
    /// takes them at once, which is as good at any time before somebody has seen them. True when that was needed.
    pub fn settle_life(&mut self, now: Now, fx: &mut Vec<Effect>) -> bool {
        let mut copied = self.scopes.replicas.values().filter(|replica| !replica.name().is_system());
        let needed = copied.any(Replica::has_unconfirmed);
        if needed {
            self.due = None;
            self.go_on_as_another(now, fx);
            self.open_links_after_disk(now, fx);
        }
        needed
    }

    /// What a peer has confirmed, or what has become another life's, must be on disk before any of it leaves: a crash in
    /// between would make it another life's once more.
    pub(super) fn open_links_after_disk(&mut self, now: Now, fx: &mut Vec<Effect>) {
        self.settle(now, fx);
        self.store_life(fx);
        self.gate = Some(self.ticket);
        fx.push(Effect::AwaitDisk { ticket: self.ticket });
    }

    pub(super) fn on_persisted(&mut self, ticket: u64, now: Now, fx: &mut Vec<Effect>) {
        if self.gate.is_some_and(|gate| ticket >= gate) {
            self.gate = None;
            self.links.greeted().into_iter().for_each(|id| self.open_if_greeted(id, now, fx));
        }
        self.on_durable(ticket, fx);
    }

    pub(super) fn store_life(&mut self, fx: &mut Vec<Effect>) {
        let life = self.scopes.actor.life.0.to_be_bytes();
        let value = [&life[..], &self.born.encode(), &self.id.0].concat();
        let row = Row { table: Table::Meta, key: Bytes::from_static(LIFE_KEY), value: Some(value.into()) };
        self.persist(None, vec![row], fx);
    }
}

impl ScopeTable {
    /// The digest of all scopes, the system's included.
    pub(super) fn whole_digest(&self) -> Digest {
        digest_of(&self.replicas)
    }
}

fn digest_of(replicas: &BTreeMap<ScopeName, Replica>) -> Digest {
    Digest::of_all(replicas.values().filter(|r| !r.context().is_empty()).map(Replica::digest))
}

/// The life that a mark names, if the state is the one that it was left with.
fn continued_life(mark: &[u8], replicas: &BTreeMap<ScopeName, Replica>) -> Option<Life> {
    let (life, digest) = mark.split_first_chunk::<8>()?;
    let same = digest == digest_of(replicas).0;
    same.then(|| Life(u64::from_be_bytes(*life)))
}
