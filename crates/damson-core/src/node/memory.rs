//! Limits of memory: for the node, for each user scope, and for some by name.

use std::collections::BTreeMap;

use super::Node;
use super::effects::{Effect, Event};
use super::scopes::ScopeTable;
use crate::replica::{MemoryLevel, MemoryUse};
use crate::scope::ScopeName;

/// Where memory is short the logs of removals keep this part of the limit, in all.
const REMOVALS_PART: u64 = 16;

/// From where on local writes that add are refused. What other members write is always taken, and counted.
#[derive(Debug, Clone, Default)]
pub struct MemoryConfig {
    /// What all scopes may hold together, in bytes. Default: no limit, because only its operator knows what else the machine
    /// is for. The process needs more than is counted: buffers, the store's caches, what the allocator keeps.
    pub node_bytes_max: Option<u64>,
    /// What each user scope may hold, in bytes. Default: no limit.
    pub scope_bytes_max: Option<u64>,
    /// The same for some, by name; `None` lifts the limit.
    pub scopes: BTreeMap<ScopeName, Option<u64>>,
}

/// Which levels were told last.
#[derive(Debug, Default)]
pub(super) struct MemoryTold {
    node: MemoryLevel,
    scopes: BTreeMap<ScopeName, MemoryLevel>,
}

impl MemoryConfig {
    /// The limit of a scope. Scopes of the system have none: without them there is no cluster.
    pub fn limit_of(&self, scope: &ScopeName) -> Option<u64> {
        let named = self.scopes.get(scope).copied();
        if scope.is_system() { None } else { named.unwrap_or(self.scope_bytes_max) }
    }
}

impl Node {
    /// What all scopes hold, and the limit of the node.
    pub fn memory(&self) -> MemoryUse {
        MemoryUse { used_bytes: self.scopes.used_bytes(), limit_bytes: self.config.memory.node_bytes_max }
    }

    /// Tells when a level has changed.
    pub(super) fn tell_memory(&mut self, fx: &mut Vec<Effect>) {
        let mut tell = |scope: Option<&ScopeName>, memory: MemoryUse| {
            fx.push(Effect::Event(Event::Memory { scope: scope.cloned(), level: memory.level(), memory }));
        };
        let memory = self.memory();
        if memory.level() != std::mem::replace(&mut self.memory_told.node, memory.level()) {
            tell(None, memory);
        }
        for replica in self.scopes.replicas.values() {
            let (name, memory) = (replica.name(), replica.memory());
            let told = self.memory_told.scopes.get(name).copied().unwrap_or_default();
            if told != memory.level() {
                self.memory_told.scopes.insert(name.clone(), memory.level());
                tell(Some(name), memory);
            }
        }
    }
}

impl ScopeTable {
    /// Sets the limits of all scopes, those to come included.
    pub fn limit_memory(&mut self, limits: MemoryConfig) {
        self.replicas.values_mut().for_each(|replica| replica.limit_memory(limits.limit_of(replica.name())));
        self.memory = limits;
    }

    pub fn used_bytes(&self) -> u64 {
        self.replicas.values().map(|replica| replica.memory().used_bytes).sum()
    }

    /// Before a local write: what its scope's limit leaves to it, and, where the node has a limit, what other scopes hold. Where
    /// memory is short the logs of removals give way, or a state from which everything was deleted would stay full.
    pub fn room_for(&mut self, scope: &ScopeName) -> Option<(u64, u64)> {
        if scope.is_system() {
            return None;
        }
        if let Some(replica) = self.replicas.get_mut(scope) {
            let memory = replica.memory();
            let share = memory.limit_bytes.map_or(u64::MAX, |limit| limit / REMOVALS_PART);
            if memory.level() != MemoryLevel::Fine && replica.shorten_removals(share) {
                self.touched.insert(scope.clone());
            }
        }
        let limit = self.memory.node_bytes_max?;
        let used = MemoryUse { used_bytes: self.used_bytes(), limit_bytes: Some(limit) };
        if used.level() != MemoryLevel::Fine {
            self.shorten_all_removals(limit / REMOVALS_PART);
        }
        let own = self.replicas.get(scope).map_or(0, |replica| replica.memory().used_bytes);
        Some((self.used_bytes() - own, limit))
    }

    fn shorten_all_removals(&mut self, bytes_max: u64) {
        let share = bytes_max / self.replicas.len().max(1) as u64;
        let replicas = self.replicas.values_mut();
        let shortened =
            replicas.filter_map(|replica| replica.shorten_removals(share).then(|| replica.name().clone()));
        self.touched.extend(shortened);
    }
}
