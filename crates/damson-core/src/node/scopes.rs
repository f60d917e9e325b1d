//! The replicas of a node, and what anti-entropy sees of them.

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::codec;
use damson_crdt::{Actor, Context, Digest, Hlc, NodeId, Rules};

use super::config::Stored;
use super::effects::Event;
use super::memory::MemoryConfig;
use super::spread::Relayed;
use crate::replica::{Followers, Inbound, Replica, ReplicaConfig};
use crate::scope::ScopeName;
use crate::sync::{Scopes, Staged};
use crate::wire::{ScopeDigest, decode_chunk, encode_chunk};

/// Authors of whom a transfer may bring something that is announced.
const BROUGHT_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct ScopeTable {
    pub replicas: BTreeMap<ScopeName, Replica>,
    pub actor: Actor,
    config: ReplicaConfig,
    rules: Rules,
    /// The user scopes that we host; `None` hosts all.
    hosted: Option<Vec<ScopeName>>,
    /// The same of linked peers.
    pub peers_host: BTreeMap<NodeId, Option<Vec<ScopeName>>>,
    scopes_max: usize,
    /// What was passed on of scopes that we do not host.
    pub relayed: Relayed,
    staging: Inbound,
    /// Scopes that changed and have not been looked at since.
    pub touched: BTreeSet<ScopeName>,
    /// The latest time that came in by transfers.
    pub hlc_seen: Hlc,
    /// A peer knows dots of our actor that we do not.
    pub forked: bool,
    /// We go on as the actor of before a clean stop, and no peer has confirmed yet that it is ours.
    pub unconfirmed: bool,
    /// Tell what transfers bring.
    pub trace: bool,
    stored: Stored,
    pub(super) memory: MemoryConfig,
    /// Somebody wants to know which keys change.
    watching: bool,
    /// What transfers have brought, and from whom.
    pub brought: Vec<(NodeId, ScopeName, Actor, u64)>,
    /// What is to be told.
    pub events: Vec<Event>,
    /// Bytes that could not be believed.
    pub refused: u64,
}

impl ScopeTable {
    pub fn new(
        replicas: BTreeMap<ScopeName, Replica>,
        actor: Actor,
        config: ReplicaConfig,
        rules: Rules,
        hosted: Option<Vec<ScopeName>>,
        scopes_max: usize,
    ) -> Self {
        Self {
            replicas,
            actor,
            config,
            rules,
            hosted,
            peers_host: BTreeMap::new(),
            scopes_max,
            relayed: Relayed::default(),
            staging: Inbound::default(),
            touched: BTreeSet::new(),
            hlc_seen: Hlc::default(),
            forked: false,
            unconfirmed: false,
            trace: false,
            stored: Stored::default(),
            memory: MemoryConfig::default(),
            watching: false,
            brought: Vec::new(),
            events: Vec::new(),
            refused: 0,
        }
    }

    /// Says which scopes are on disk, and whether somebody wants to know which keys change.
    pub fn follow(&mut self, stored: Stored, watching: bool) {
        (self.stored, self.watching) = (stored, watching);
        for (scope, replica) in &mut self.replicas {
            replica.follow(followers(scope, &self.stored, watching));
        }
    }

    pub fn watch(&mut self, watching: bool) {
        self.follow(self.stored.clone(), watching);
    }

    /// Does somebody want to know which keys change?
    pub fn is_watched(&self) -> bool {
        self.watching
    }

    /// Do we host this scope?
    pub fn hosts(&self, scope: &ScopeName) -> bool {
        hosts(self.hosted.as_deref(), scope)
    }

    /// Does this peer host the scope, as it said in its greeting?
    pub fn peer_hosts(&self, peer: NodeId, scope: &ScopeName) -> bool {
        self.peers_host.get(&peer).is_some_and(|hosted| hosts(hosted.as_deref(), scope))
    }

    /// The replica of a scope, created when it may be. The caller marks it as touched when it changes it.
    pub fn get_or_create(&mut self, scope: &ScopeName) -> Option<&mut Replica> {
        if !self.replicas.contains_key(scope) {
            if !self.hosts(scope) || self.is_full() {
                return None;
            }
            let mut replica = Replica::new(scope.clone(), self.actor, self.config.clone(), self.rules);
            replica.follow(followers(scope, &self.stored, self.watching));
            replica.limit_memory(self.memory.limit_of(scope));
            if self.unconfirmed {
                replica.begin_unconfirmed();
            }
            self.replicas.insert(scope.clone(), replica);
        }
        self.replicas.get_mut(scope)
    }

    pub fn is_full(&self) -> bool {
        self.replicas.len() >= self.scopes_max
    }

    /// One digest over the non-empty user scopes, in the order of their names.
    pub fn user_digest(&self) -> Digest {
        let user = self.replicas.values().filter(|r| !r.name().is_system() && !r.context().is_empty());
        Digest::of_all(user.map(Replica::digest))
    }

    fn shared_with(&self, peer: NodeId) -> impl Iterator<Item = &Replica> {
        self.replicas.values().filter(move |r| self.peer_hosts(peer, r.name()) && !r.context().is_empty())
    }

    /// What a newcomer is brought all others have; of little it may be that they do not. Members' records change so often
    /// while a cluster grows that announcing each costs more than the next comparison.
    fn note_brought(&mut self, scope: &ScopeName, peer: NodeId, brought: &Context) {
        let few = !scope.is_system() && brought.iter().take(BROUGHT_MAX + 1).count() <= BROUGHT_MAX;
        for (actor, numbers) in brought.iter() {
            let last = numbers.max();
            if few {
                self.brought.push((peer, scope.clone(), actor, last));
            }
            if self.trace {
                let scope = scope.clone();
                self.events.push(Event::Delivered { scope, actor, last, round: 0, from: peer });
            }
        }
    }

    fn commit(&mut self, scope: &ScopeName, peer: NodeId, last: &crate::replica::Last) -> Staged {
        let inbound = std::mem::take(&mut self.staging);
        let Some(replica) = self.replicas.get_mut(scope) else { return Staged::Refused };
        if last.context.top(replica.actor()) > replica.context().top(replica.actor()) {
            self.forked = true;
        }
        let brought = last.context.minus(replica.context());
        match replica.commit_inbound(inbound, last) {
            Ok(()) => {
                let ours = replica.digest();
                if *replica.context() == last.context && ours != last.digest {
                    self.events.push(Event::Diverged { scope: scope.clone(), peer, ours });
                }
                self.note_brought(scope, peer, &brought);
                self.touched.insert(scope.clone());
                Staged::Done
            }
            Err(_) => {
                self.refused += 1;
                Staged::Refused
            }
        }
    }
}

impl Scopes for ScopeTable {
    fn digest(&self, peer: NodeId) -> [u8; 16] {
        Digest::of_all(self.shared_with(peer).map(Replica::digest)).0
    }

    fn digests(&self, peer: NodeId) -> Vec<ScopeDigest> {
        let of = |replica: &Replica| ScopeDigest {
            scope: replica.name().clone(),
            digest: replica.digest().0,
            empty: replica.context().is_empty(),
        };
        self.shared_with(peer).map(of).collect()
    }

    fn context(&mut self, scope: &ScopeName) -> Option<Vec<u8>> {
        let replica = self.get_or_create(scope)?;
        let mut out = Vec::new();
        codec::encode_context(&mut out, replica.context());
        self.staging = Inbound::default();
        Some(out)
    }

    fn open(&mut self, scope: &ScopeName, id: u64, context: &[u8]) -> Option<bool> {
        let Ok(theirs) = codec::decode_context(context, &self.config.limits) else {
            self.refused += 1;
            return None;
        };
        let replica = self.get_or_create(scope)?;
        let behind = !theirs.minus(replica.context()).is_empty();
        replica.open_outbound(id, theirs);
        Some(behind)
    }

    fn chunk(&mut self, scope: &ScopeName, id: u64, bytes_max: usize) -> Option<(Vec<u8>, bool)> {
        let chunk = self.replicas.get_mut(scope)?.next_chunk(id, bytes_max)?;
        Some((encode_chunk(&chunk), chunk.last.is_some()))
    }

    fn close(&mut self, scope: &ScopeName, id: u64) {
        if let Some(replica) = self.replicas.get_mut(scope) {
            replica.close_outbound(id);
        }
    }

    fn stage(&mut self, scope: &ScopeName, peer: NodeId, body: &[u8]) -> Staged {
        let Ok(mut chunk) = decode_chunk(body, &self.config.limits) else {
            self.refused += 1;
            return Staged::Refused;
        };
        let hlcs = chunk.cells.iter().flat_map(|(_, cell)| cell.dots()).map(|live| live.hlc);
        self.hlc_seen = hlcs.fold(self.hlc_seen, Hlc::max);
        let last = chunk.last.take();
        self.staging.stage(chunk);
        match last {
            Some(last) => self.commit(scope, peer, &last),
            None => Staged::More,
        }
    }

    fn unstage(&mut self) {
        self.staging = Inbound::default();
    }
}

/// The node itself follows the roster.
fn followers(scope: &ScopeName, stored: &Stored, watching: bool) -> Followers {
    Followers { rows: stored.holds(scope), keys: watching || *scope == ScopeName::roster() }
}

/// System scopes are hosted by everyone.
pub(super) fn hosts(hosted: Option<&[ScopeName]>, scope: &ScopeName) -> bool {
    scope.is_system() || hosted.is_none_or(|hosted| hosted.contains(scope))
}
