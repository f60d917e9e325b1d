//! What a node is told at its start.

use std::collections::BTreeSet;
use std::sync::Arc;

use damson_crdt::Rules;

use crate::broadcast::{BroadcastConfig, SourceTable};
use crate::membership::{LivenessConfig, OverlayConfig};
use crate::replica::ReplicaConfig;
use crate::scope::ScopeName;
use crate::sync::SyncConfig;

use super::ack::AckConfig;
use super::dialer::DialConfig;
use super::memory::MemoryConfig;

/// A node's configuration.
#[derive(Debug, Clone)]
pub struct Config {
    /// A label for people, in the roster.
    pub name: String,
    /// The cluster. Nodes of different realms never mix.
    pub realm: String,
    /// Where others dial this node; empty when it cannot be dialled.
    pub address: String,
    /// Where its HTTP surface listens, for people who look at the roster.
    pub http: Option<String>,
    /// Where it stands.
    pub zone: Option<String>,
    /// The user scopes that it hosts; `None` hosts all.
    pub hosted: Option<Vec<ScopeName>>,
    /// Addresses of first contacts.
    pub contacts: Vec<String>,
    /// Contacts are discovered while it runs ([`Input::Contacts`](super::Input::Contacts)): the node waits for them, as
    /// for those above, before it serves alone. Default no.
    pub discovers: bool,
    /// Without any contact for this long the node serves alone, in milliseconds. Default 5,000.
    pub join_timeout_ms: u64,
    /// How far ahead a time may lie to be absorbed into our clock, in milliseconds; also how long an ended key waits to be
    /// killed. Default 10,000: far beyond what synchronised clocks differ by, short enough to be noticed.
    pub clock_drift_ms_max: u64,
    /// Most scopes. Default 256: each costs a digest in every unequal round of anti-entropy.
    pub scopes_max: usize,
    /// Ended keys that are killed in one batch. Default 256.
    pub reap_keys_max: usize,
    /// Limits of memory.
    pub memory: MemoryConfig,
    /// Replicas.
    pub replica: ReplicaConfig,
    /// Anti-entropy.
    pub sync: SyncConfig,
    /// Failure detection.
    pub liveness: LivenessConfig,
    /// Dialling.
    pub dial: DialConfig,
    /// Which members are linked.
    pub overlay: OverlayConfig,
    /// Pushes, trees and announcements.
    pub broadcast: BroadcastConfig,
    /// Waits for others.
    pub ack: AckConfig,
    /// How often members are asked about ended lives of this node that left traces in counters, in milliseconds. Default
    /// 10,000: nothing waits for it, and a minute passes before the first question.
    pub ended_ms: u64,
    /// Keep the roster. Default. Without it nobody is judged and nobody known but the overlay's views: for simulations in
    /// which the rosters of all nodes would not fit into memory.
    pub roster: bool,
    /// Possible authors to begin with. A simulator shares one table among its nodes.
    pub sources: Option<Arc<SourceTable>>,
    /// The scopes that are on disk: others make no rows. Default all.
    pub stored: Stored,
    /// Tell each batch that the broadcast delivers, as [`Event::Delivered`](super::Event::Delivered). Default no.
    pub trace_deliveries: bool,
    /// The rules in force. Only simulators break one.
    pub rules: Rules,
}

/// Which scopes are on disk.
#[derive(Debug, Clone)]
pub struct Stored {
    /// A scope that is not named.
    pub others: bool,
    /// Those to which that does not apply.
    pub except: BTreeSet<ScopeName>,
}

impl Stored {
    /// Is this scope on disk?
    pub fn holds(&self, scope: &ScopeName) -> bool {
        self.others != self.except.contains(scope)
    }
}

impl Default for Stored {
    fn default() -> Self {
        Self { others: true, except: BTreeSet::new() }
    }
}

impl Config {
    /// The defaults, for a node of this name in this realm.
    pub fn new(name: impl Into<String>, realm: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            realm: realm.into(),
            address: String::new(),
            http: None,
            zone: None,
            hosted: None,
            contacts: Vec::new(),
            discovers: false,
            join_timeout_ms: 5_000,
            clock_drift_ms_max: 10_000,
            scopes_max: 256,
            reap_keys_max: 256,
            memory: MemoryConfig::default(),
            replica: ReplicaConfig::default(),
            sync: SyncConfig::default(),
            liveness: LivenessConfig::default(),
            dial: DialConfig::default(),
            overlay: OverlayConfig::default(),
            broadcast: BroadcastConfig::default(),
            ack: AckConfig::default(),
            ended_ms: 10_000,
            roster: true,
            sources: None,
            stored: Stored::default(),
            trace_deliveries: false,
            rules: Rules::default(),
        }
    }
}
