//! What a node says about itself.

use std::sync::atomic::Ordering;

use damson_core::broadcast::BroadcastCounters;
use damson_core::casts::CastCounters;
use damson_core::crdt::{Digest, Life, NodeId};
use damson_core::membership::OverlayCounters;
use damson_core::membership::{Member, MemberState};
use damson_core::node::AckCounters;
use damson_core::node::{Node as Core, NodeCounters};
use damson_core::replica::{Counters as ReplicaCounters, MemoryUse, Replica};
use damson_core::scope::ScopeName;
use damson_core::sync::SyncCounters;
use damson_core::time::Now;

use crate::driver::Driver;
use crate::transport::TransportCounters;

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: NodeId,
    /// Its cluster.
    pub realm: String,
    /// Where other nodes reach it.
    pub address: String,
    /// The life of its state.
    pub life: Life,
    /// Members that are alive, itself included.
    pub members: usize,
    /// Peers with an open link.
    pub links: usize,
    /// One digest over all non-empty user scopes: equal on nodes that agree.
    pub digest: Digest,
    /// Keys that exist in user scopes.
    pub keys: usize,
    /// What all scopes hold in memory, and the node's limit.
    pub memory: MemoryUse,
    /// Its wall time, in milliseconds since 1970.
    pub wall_ms: u64,
    /// May it serve?
    pub readiness: Readiness,
}

/// May a node serve, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Readiness {
    /// It may.
    Ready,
    /// It waits for the first sync with a member.
    Joining,
    /// Another live process has its node id: the cluster does not take this one.
    Duplicate,
    /// The other members have forgotten it: stop it and start it again, and it begins empty.
    Forgotten,
    /// Its clock is far from those of most neighbours.
    ClockSuspect,
    /// The disk has failed.
    Storage {
        /// What the disk said.
        cause: String,
    },
}

/// What is known of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberInfo {
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: NodeId,
    /// Where it listens.
    pub address: String,
    /// Where its HTTP surface listens.
    pub http: Option<String>,
    /// Where it stands.
    pub zone: Option<String>,
    /// Raised by the member itself.
    pub incarnation: u64,
    /// Its state.
    pub state: MemberState,
    /// Who judged it suspect or dead.
    pub judged_by: Option<NodeId>,
    /// Is there an open link to it?
    pub linked: bool,
    /// The digest of its user scopes that it told last; our own for ourselves.
    pub digest: Option<Digest>,
}

/// A scope of which something is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopeInfo {
    /// Its name.
    pub name: ScopeName,
    /// Keys that exist.
    pub keys: usize,
    /// Live dots.
    pub live_dots: usize,
    /// Bytes of live values.
    pub value_bytes: u64,
    /// Actors in its context.
    pub actors: usize,
    /// Removals remembered.
    pub removals: usize,
    /// Batches that wait for what they kill.
    pub waiting: usize,
    /// What it holds in memory, and its limit.
    pub memory: MemoryUse,
    /// Its digest.
    pub digest: Digest,
    /// What happened in it since the start.
    pub counters: ReplicaCounters,
}

/// What happened in a node since its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Greetings, refusals, malformed frames.
    pub node: NodeCounters,
    /// Anti-entropy.
    pub sync: SyncCounters,
    /// Waits for other members, and what others asked.
    pub acks: AckCounters,
    /// Pushes, announcements, requests, trees.
    pub broadcast: BroadcastCounters,
    /// Messages of topics and handlers.
    pub casts: CastCounters,
    /// Neighbours gained and lost.
    pub overlay: OverlayCounters,
    /// Bytes received from other nodes.
    pub bytes_in: u64,
    /// Bytes sent to other nodes.
    pub bytes_out: u64,
    /// Links refused before their greeting: TLS, secrets, time-outs.
    pub links_refused: u64,
    /// Frames over the limit.
    pub frames_oversized: u64,
    /// Frames that were not sent because they are over the limit.
    pub frames_dropped: u64,
    /// Links that were closed because their peer read more slowly than we wrote.
    pub links_expelled: u64,
    /// Writes that waited because links or the disk were behind.
    pub writes_held: u64,
    /// Writes that were refused because links or the disk were behind.
    pub writes_refused: u64,
}

impl Status {
    pub(crate) fn of(node: &Core, now: Now, storage: Option<String>) -> Self {
        let config = node.config();
        let user = node.replicas().filter(|replica| !replica.name().is_system());
        Self {
            name: config.name.clone(),
            id: node.id(),
            realm: config.realm.clone(),
            address: config.address.clone(),
            life: node.life(),
            members: node.roster().iter().filter(|member| member.state == MemberState::Alive).count(),
            links: node.peers().count(),
            digest: node.digest(),
            keys: user.map(Replica::keys).sum(),
            memory: node.memory(),
            wall_ms: now.wall_ms,
            readiness: Readiness::of(node, storage),
        }
    }
}

impl Readiness {
    pub(crate) fn of(node: &Core, storage: Option<String>) -> Self {
        match storage {
            Some(cause) => Self::Storage { cause },
            None if node.is_ready() => Self::Ready,
            None if node.is_forgotten() => Self::Forgotten,
            None if node.is_duplicate() => Self::Duplicate,
            None if node.is_clock_suspect() => Self::ClockSuspect,
            None => Self::Joining,
        }
    }
}

impl MemberInfo {
    pub(crate) fn of(member: &Member, node: &Core) -> Self {
        let own = member.id == node.id();
        Self {
            name: member.name.clone(),
            id: member.id,
            address: member.address.clone(),
            http: member.http.clone(),
            zone: member.zone.clone(),
            incarnation: member.incarnation,
            state: member.state,
            judged_by: member.judged_by,
            linked: own || node.peers().any(|peer| peer == member.id),
            digest: if own { Some(node.digest()) } else { node.digest_of(member.id) },
        }
    }
}

impl ScopeInfo {
    pub(crate) fn of(replica: &Replica) -> Self {
        Self {
            name: replica.name().clone(),
            keys: replica.keys(),
            live_dots: replica.live_dots(),
            value_bytes: replica.user_bytes(),
            actors: replica.context().actors(),
            removals: replica.removals(),
            waiting: replica.waiting(),
            memory: replica.memory(),
            digest: replica.digest(),
            counters: replica.counters(),
        }
    }
}

impl Counters {
    pub(crate) fn of(node: &Core, transport: Option<&TransportCounters>, driver: &Driver) -> Self {
        let load = |pick: fn(&TransportCounters) -> u64| transport.map_or(0, pick);
        Self {
            node: node.counters(),
            sync: node.sync_counters(),
            acks: node.ack_counters(),
            broadcast: node.broadcast_counters(),
            casts: node.cast_counters(),
            overlay: node.overlay_counters(),
            bytes_in: load(|t| t.bytes_in.load(Ordering::Relaxed)),
            bytes_out: load(|t| t.bytes_out.load(Ordering::Relaxed)),
            links_refused: load(|t| {
                let all = [
                    &t.refused_handshake,
                    &t.refused_timeout,
                    &t.refused_crowded,
                    &t.refused_secret,
                    &t.refused_not_allowed,
                ];
                all.into_iter().map(|counter| counter.load(Ordering::Relaxed)).sum()
            }),
            frames_dropped: driver.dropped(),
            links_expelled: driver.expelled(),
            writes_held: driver.room().held(),
            writes_refused: driver.room().refused(),
            frames_oversized: load(|t| t.oversized.load(Ordering::Relaxed)),
        }
    }
}
