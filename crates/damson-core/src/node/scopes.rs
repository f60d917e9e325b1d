//! The replicas of a node, and what anti-entropy sees of them.

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::{Actor, Context, Digest, Hlc, NodeId, Rules};

use super::config::Stored;
use super::effects::Event;
use super::memory::MemoryConfig;
use super::spread::Relayed;
use crate::casts::Casts;
use crate::replica::{Extent, Followers, Inbound, Last, Replica, ReplicaConfig, Step};
use crate::scope::ScopeName;
use crate::sync::{Opened, Part, Scopes, Staged};
use crate::wire::{
    ScopeDigest, decode_chunk, decode_demand, decode_request, encode_chunk, encode_demand, encode_request,
};

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
    /// What is known of casts.
    pub casts: Casts,
    staging: Option<(ScopeName, Inbound)>,
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
    watching_cells: bool,
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
            casts: Casts::new(actor),
            staging: None,
            touched: BTreeSet::new(),
            hlc_seen: Hlc::default(),
            forked: false,
            unconfirmed: false,
            trace: false,
            stored: Stored::default(),
            memory: MemoryConfig::default(),
            watching: false,
            watching_cells: false,
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

    /// Says whether somebody wants to know which cells of a changed key change.
    pub fn watch_cells(&mut self, watching: bool) {
        self.watching_cells = watching;
    }

    /// Does somebody?
    pub fn are_cells_watched(&self) -> bool {
        self.watching_cells
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

    /// A peer has no link any more.
    pub fn peer_down(&mut self, peer: NodeId) {
        self.peers_host.remove(&peer);
        self.replicas.values_mut().for_each(|replica| replica.forget_prepared(peer));
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

    /// Is a transfer under way that brings us, who hold hardly anything of the scope, all of it?
    pub fn is_filling(&self, scope: &ScopeName) -> bool {
        self.staging.as_ref().is_some_and(|(staged, inbound)| staged == scope && inbound.is_filling())
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

    fn commit(&mut self, scope: &ScopeName, inbound: Inbound, last: &Last, from: (NodeId, u64)) -> Staged {
        let Some(replica) = self.replicas.get_mut(scope) else { return Staged::Refused };
        let (context, peer) = (inbound.context(last), from.0);
        if context.top(replica.actor()) > replica.context().top(replica.actor()) {
            self.forked = true;
        }
        let brought = context.minus(replica.context());
        match replica.commit_inbound(inbound, last, from) {
            Ok(()) => {
                let ours = replica.digest();
                if *replica.context() == context && ours != last.digest {
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

    fn request(&mut self, scope: &ScopeName, compared: Option<u64>) -> Option<Vec<u8>> {
        self.unstage();
        let (request, inbound) = self.get_or_create(scope)?.begin_inbound(compared);
        self.staging = Some((scope.clone(), inbound));
        Some(encode_request(&request))
    }

    fn open(&mut self, scope: &ScopeName, id: u64, peer: NodeId, request: &[u8]) -> bool {
        let Ok(request) = decode_request(request, &self.config.limits) else {
            self.refused += 1;
            return false;
        };
        let replica = self.get_or_create(scope);
        replica.map(|replica| replica.open_outbound(id, peer, request)).is_some()
    }

    fn chunk(&mut self, scope: &ScopeName, id: u64, bytes_max: usize, demand: &[u8]) -> Option<Part> {
        let Ok(demand) = decode_demand(demand, &self.config.limits) else {
            self.refused += 1;
            return None;
        };
        let replica = self.replicas.get_mut(scope)?;
        let chunk = replica.next_chunk(id, bytes_max, demand.as_ref())?;
        let opened = replica.take_begun(id).map(|begun| match begun.extent {
            _ if !begun.is_behind => Opened::Ahead,
            Extent::Missing => Opened::Behind,
            Extent::Differing | Extent::Whole => Opened::Compares,
        });
        Some(Part { body: encode_chunk(&chunk), is_last: chunk.last.is_some(), opened })
    }

    fn close(&mut self, scope: &ScopeName, id: u64) {
        if let Some(replica) = self.replicas.get_mut(scope) {
            replica.close_outbound(id);
        }
    }

    fn stage(&mut self, scope: &ScopeName, peer: NodeId, transfer: u64, body: &[u8]) -> Staged {
        let Ok(chunk) = decode_chunk(body, &self.config.limits) else {
            self.refused += 1;
            return Staged::Refused;
        };
        let hlcs = chunk.cells.iter().flat_map(|(_, cell)| cell.dots()).map(|live| live.hlc);
        self.hlc_seen = hlcs.fold(self.hlc_seen, Hlc::max);
        let staging = self.staging.take().filter(|(staged, _)| staged == scope);
        let (Some((_, mut inbound)), Some(replica)) = (staging, self.replicas.get_mut(scope)) else {
            return Staged::Refused;
        };
        match replica.stage(&mut inbound, chunk) {
            Ok(Step::More(demand)) => {
                self.staging = Some((scope.clone(), inbound));
                Staged::More(encode_demand(demand.as_ref()))
            }
            Ok(Step::Commit(last)) => self.commit(scope, inbound, &last, (peer, transfer)),
            Err(_) => {
                replica.end_inbound(&inbound);
                self.refused += 1;
                Staged::Refused
            }
        }
    }

    fn unstage(&mut self) {
        let staging = self.staging.take();
        if let Some((scope, inbound)) = staging
            && let Some(replica) = self.replicas.get_mut(&scope)
        {
            replica.end_inbound(&inbound);
        }
    }
}

/// The node itself follows the roster.
fn followers(scope: &ScopeName, stored: &Stored, watching: bool) -> Followers {
    Followers { rows: stored.holds(scope), keys: watching || *scope == ScopeName::roster() }
}

/// System scopes are hosted by everyone; what casts travel under is no scope.
pub(super) fn hosts(hosted: Option<&[ScopeName]>, scope: &ScopeName) -> bool {
    !scope.is_cast() && (scope.is_system() || hosted.is_none_or(|hosted| hosted.contains(scope)))
}
