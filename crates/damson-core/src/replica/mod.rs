//! A node's copy of one scope: live dots, a causal context, and what is needed to keep them true.
//!
//! ```text
//!            local writes (Tx)          batches from peers (apply)        transfers (Inbound, Outbound)
//!                   \                          |                                 /
//!                    `----------------> live dots + context <-------------------'
//!                                              |
//!                                 views (View), digest, rows for the disk
//! ```
//!
//! The rules are listed in ARCHITECTURE.md. Each is decided in one place, which asks [`Rules::holds`].

mod apply;
mod compare;
mod ended;
mod expiry;
mod fork;
mod live;
mod memory;
mod read;
mod removals;
mod rows;
mod salvage;
mod transfer;
mod waiting;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use damson_crdt::{Actor, Batch, Cell, CellId, Context, Digest, Dot, Key, Limits, NodeId, Rules};

use live::{Live, Ties};
use removals::Removals;
use waiting::Waiting;

pub use apply::Applied;
pub use memory::{MemoryLevel, MemoryOf, MemoryUse};
pub use read::{Scan, Slot, Stamp, View};
pub use rows::{LoadError, Loader, place_of, scope_of_row};
pub use transfer::{
    Answer, Begun, Chunk, Demand, Extent, Inbound, Last, Question, Request, Seen, Step, Summary, Symbols,
    TransferError,
};
pub use write::{Behind, Tx, WriteError};

use crate::scope::ScopeName;
use crate::sketch;

/// Sizes of a replica's buffers.
#[derive(Debug, Clone)]
pub struct ReplicaConfig {
    /// Limits on what one write may hold.
    pub limits: Limits,
    /// Removals that are remembered, so that contexts alone can repair a peer. Default 65,536: minutes of a busy
    /// scope, a few megabytes.
    pub removals_max: usize,
    /// Batches of one peer that may wait for what they kill. Default 1,024; what overflows comes by anti-entropy.
    pub waiting_per_peer_max: usize,
    /// Bytes that these may take. Default 64 MiB: a few of the largest values.
    pub waiting_bytes_per_peer_max: usize,
    /// How long a batch may wait, in milliseconds. Default 10,000: several rounds of anti-entropy.
    pub waiting_ms_max: u64,
    /// Find differences by sketches where contexts do not say what is missing. Default true. Without it such a receiver takes
    /// everything.
    pub sketches: bool,
    /// What was seen of so many actors is told in full when state is asked for, of more by what differs, which costs a round
    /// trip. Default 64: two kilobytes.
    pub whole_actors_max: usize,
    /// The key of sketches: the same for all nodes, and unknown to those who write, who could otherwise make differences that
    /// are hard to find.
    pub sketch_key: sketch::Key,
    /// Keep a copy of every own batch until [`Replica::take_issued`] asks for it. Default false: only a simulator, whose
    /// oracle has to know them all, also those that a node issues by itself, turns it on.
    pub record_issued: bool,
}

/// A node's copy of a scope.
#[derive(Debug)]
pub struct Replica {
    name: ScopeName,
    actor: Actor,
    rules: Rules,
    config: ReplicaConfig,
    live: Live,
    /// Changed through [`Replica::context_mut`] only.
    context: Context,
    /// The digest of the present context with these live dots.
    digest: OnceLock<(damson_crdt::Fingerprint, Digest)>,
    removals: Removals,
    waiting: Waiting,
    /// Transfers to others: the cells that each has still to send, those that change meanwhile included.
    outbound: BTreeMap<u64, transfer::Outbound>,
    /// Transfers of which it is not known yet what their receivers have seen.
    opening: BTreeMap<u64, transfer::Opening>,
    /// The one that has begun last, until this is asked for.
    begun: Option<(u64, Begun)>,
    /// Transfers that peers may ask for, because theirs to us has shown what only we have: by peer and its transfer.
    prepared: BTreeMap<transfer::Theirs, transfer::Outbound>,
    /// Comparisons with the sources of what we receive.
    receiving: BTreeMap<u64, compare::Comparison>,
    next_inbound: u64,
    /// What we had in common with the receiver of one of our transfers when it ended.
    baselines: BTreeMap<u64, compare::Comparison>,
    followers: Followers,
    changes: Changes,
    fork: fork::Fork,
    /// Counter cells of ours in which others left traces that we have to absorb.
    traces: BTreeSet<CellId>,
    /// Those of our ended lives; some may hold none any more.
    ended: BTreeSet<CellId>,
    /// Counter cells with traces that were loaded, whosever they are: until it is known who we are.
    traced: Vec<CellId>,
    counters: Counters,
    memory_bytes_max: Option<u64>,
    /// Own batches, while [`ReplicaConfig::record_issued`] is set.
    issued: Vec<Batch>,
}

/// Who wants to know what changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Followers {
    /// The disk: changes are told as rows.
    pub rows: bool,
    /// Watchers: changed keys are told.
    pub keys: bool,
}

/// What changed since it was last asked for: for the disk and for watchers. A cell or an actor may be named twice.
#[derive(Debug, Default)]
struct Changes {
    /// Made already, of cells that need not be named.
    rows: Vec<crate::persist::Row>,
    /// Keys of such cells, for watchers.
    keys: Vec<Key>,
    cells: Vec<CellId>,
    actors: Vec<Actor>,
    removals: Vec<(u64, Dot)>,
    forgotten: Vec<(u64, Dot)>,
    floor: bool,
    unconfirmed: bool,
}

/// What happened in a replica, counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Local batches.
    pub written: u64,
    /// Batches from peers that were new.
    pub applied: u64,
    /// Batches from peers that were known.
    pub duplicates: u64,
    /// Batches that had to wait for what they kill.
    pub waited: u64,
    /// Batches dropped because too many waited or one waited too long. Anti-entropy brings them.
    pub overflowed: u64,
    /// Merges that left concurrent live dots in a cell.
    pub conflicts: u64,
    /// Batches whose time lay further ahead than the permitted drift.
    pub future: u64,
    /// Local writes, or steps of one, refused because they would exceed a limit of memory.
    pub out_of_memory: u64,
    /// Transfers that were entered, by their [`Extent`]: what contexts said was missing, what a comparison found, everything.
    synced: [u64; Extent::ALL.len()],
}

impl Counters {
    /// Syncs that were taken in, by the way that served (see [`Extent::name`]).
    pub fn synced(&self) -> impl Iterator<Item = (&'static str, u64)> {
        Extent::ALL.into_iter().map(|extent| (extent.name(), self.synced[extent as usize]))
    }
}

impl Changes {
    fn is_empty(&self) -> bool {
        let Self { rows, keys, cells, actors, removals, forgotten, floor, unconfirmed } = self;
        let named = rows.is_empty() && keys.is_empty() && cells.is_empty() && actors.is_empty();
        named && removals.is_empty() && forgotten.is_empty() && !floor && !unconfirmed
    }
}

impl Default for ReplicaConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            removals_max: 1 << 16,
            waiting_per_peer_max: 1 << 10,
            waiting_bytes_per_peer_max: 64 << 20,
            waiting_ms_max: 10_000,
            sketches: true,
            whole_actors_max: 64,
            sketch_key: sketch::Key(0x6461_6d73_6f6e, 0x736b_6574_6368),
            record_issued: false,
        }
    }
}

impl Replica {
    /// An empty replica.
    pub fn new(name: ScopeName, actor: Actor, config: ReplicaConfig, rules: Rules) -> Self {
        Self {
            name,
            actor,
            rules,
            live: Live::new(Ties { me: actor.node, rules }, config.sketch_key),
            context: Context::default(),
            digest: OnceLock::new(),
            removals: Removals::new(),
            waiting: Waiting::new(config.waiting_per_peer_max, config.waiting_bytes_per_peer_max),
            outbound: BTreeMap::new(),
            opening: BTreeMap::new(),
            begun: None,
            prepared: BTreeMap::new(),
            receiving: BTreeMap::new(),
            next_inbound: 0,
            baselines: BTreeMap::new(),
            followers: Followers { rows: true, keys: true },
            changes: Changes::default(),
            fork: fork::Fork::default(),
            traces: BTreeSet::new(),
            ended: BTreeSet::new(),
            traced: Vec::new(),
            counters: Counters::default(),
            memory_bytes_max: None,
            issued: Vec::new(),
            config,
        }
    }

    /// The scope.
    pub fn name(&self) -> &ScopeName {
        &self.name
    }

    /// In whose name local writes are issued.
    pub fn actor(&self) -> Actor {
        self.actor
    }

    /// The node that this replica belongs to.
    pub fn node(&self) -> NodeId {
        self.actor.node
    }

    /// The limits on writes.
    pub fn limits(&self) -> &Limits {
        &self.config.limits
    }

    /// Every dot ever seen.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The dead dots that the removal log no longer explains.
    pub fn floor(&self) -> &Context {
        self.removals.floor()
    }

    /// How many removals are remembered.
    pub fn removals(&self) -> usize {
        self.removals.len()
    }
    /// The first operation of this author that is neither covered nor waits to be applied.
    pub fn first_missing(&self, actor: Actor) -> u64 {
        let seen = self.context.of(actor);
        let end_of =
            |number| seen.and_then(|seen| seen.end_of(number)).or_else(|| self.waiting.end_of(actor, number));
        let mut next = 1;
        while let Some(last) = end_of(next) {
            next = last + 1;
        }
        next
    }

    /// How many batches wait for what they kill.
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// How many dots are alive.
    pub fn live_dots(&self) -> usize {
        self.live.dots()
    }

    /// All live dots in order, with their cells.
    pub fn dots(&self) -> impl Iterator<Item = (Dot, CellId)> {
        self.live.all_dots()
    }

    /// All cells that hold something.
    pub fn cells(&self) -> impl Iterator<Item = (CellId, &Cell)> {
        self.live.cells()
    }

    /// Bytes of values that are alive.
    pub fn user_bytes(&self) -> u64 {
        self.live.user_bytes()
    }

    /// How many keys exist, expired ones that nobody has killed yet included.
    pub fn keys(&self) -> usize {
        self.live.existing()
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// 16 bytes over name, context and live dots: equal on replicas that agree. Costs time in proportion to the actors
    /// in the context, not to the state, and nothing while nothing changes.
    pub fn digest(&self) -> Digest {
        let live = self.live.fingerprint();
        let compute = || (live, Digest::of_scope(self.name.as_str(), &self.context, live));
        let (of, digest) = *self.digest.get_or_init(compute);
        if of == live { digest } else { compute().1 }
    }

    fn context_mut(&mut self) -> &mut Context {
        self.digest = OnceLock::new();
        &mut self.context
    }

    /// The batches issued here since this was last called, while [`ReplicaConfig::record_issued`] is set.
    pub fn take_issued(&mut self) -> Vec<Batch> {
        std::mem::take(&mut self.issued)
    }

    /// Says who wants to know what changes. By default all do, and have to ask: what they do not take is kept.
    pub fn follow(&mut self, followers: Followers) {
        self.followers = followers;
    }

    /// The keys changed since rows were last taken.
    pub fn changed_keys(&self) -> BTreeSet<Key> {
        self.changes.cells.iter().map(|id| &id.key).chain(&self.changes.keys).cloned().collect()
    }

    /// The cells changed since rows were last taken, each once. An empty path stands for all of a key.
    pub fn changed_cells(&self) -> BTreeSet<CellId> {
        let whole = self
            .changes
            .keys
            .iter()
            .map(|key| CellId { key: key.clone(), path: damson_crdt::Path::default() });
        self.changes.cells.iter().cloned().chain(whole).collect()
    }

    /// What this replica means at a wall time.
    pub fn view(&self, wall_ms: u64) -> View<'_> {
        View::new(self, wall_ms)
    }

    /// Changes the cells named by an edit, and everything that has to know.
    fn edit(&mut self, id: &CellId, change: impl FnOnce(&mut damson_crdt::Cell)) {
        self.live.edit(id, change);
        self.tell_transfers(id);
        if (self.followers.rows || self.followers.keys) && self.changes.cells.last() != Some(id) {
            self.changes.cells.push(id.clone());
        }
    }

    fn actor_changed(&mut self, actor: Actor) {
        if self.followers.rows && self.changes.actors.last() != Some(&actor) {
            self.changes.actors.push(actor);
        }
    }

    fn remember_removal(&mut self, dot: Dot, target: damson_crdt::Target) {
        let position = self.removals.push(dot, target);
        self.outbound.values_mut().for_each(|outbound| outbound.removed(dot));
        if self.followers.rows {
            self.changes.removals.push((position, dot));
        }
        // In portions, so that the floor is not rewritten with each removal.
        if self.removals.len() > self.config.removals_max + self.config.removals_max / 8 {
            self.truncate_removals(self.config.removals_max);
        }
    }

    /// Forgets all but the newest removals, as happens by itself beyond `removals_max`.
    pub fn truncate_removals(&mut self, keep: usize) {
        let forgotten = self.removals.truncate_to(keep);
        if self.followers.rows {
            self.changes.floor |= !forgotten.is_empty();
            self.changes.forgotten.extend(forgotten);
        }
    }
}
