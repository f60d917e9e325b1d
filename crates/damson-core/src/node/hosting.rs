//! Scopes that few members host: their hosts meet, even if no neighbour is one of them.
//!
//! Neighbours pass on the payloads of scopes that they do not host, but cannot compare what they do not have. So a host without
//! a neighbour that hosts the scope too compares with another host now and then, over a guest's link, and is ready to
//! serve only when it has compared each of its scopes with somebody.

use std::collections::BTreeSet;

use damson_crdt::NodeId;
use rand_core::Rng;

use super::effects::Effect;
use super::scopes::hosts;
use super::{Node, Now};
use crate::membership::Member;
use crate::scope::ScopeName;

/// Of so many sweeps, on average, one looks for another host of a scope.
const SELDOM: u64 = 5;
/// Hosts that are met in one sweep.
const MEETINGS_MAX: usize = 4;

impl Node {
    /// Meets another host of each scope that no neighbour hosts.
    pub(super) fn meet_hosts(&mut self, now: Now, fx: &mut Vec<Effect>) {
        if self.is_mesh() || self.overlay.is_lonely() {
            return;
        }
        let seldom = if self.is_joining() { 1 } else { SELDOM };
        let wanted = |scope: &ScopeName| !self.is_near(scope) && !self.is_compared_in(scope);
        let mut apart: Vec<ScopeName> = self.scopes_of_ours().into_iter().filter(wanted).collect();
        for _ in 0..MEETINGS_MAX.min(apart.len()) {
            let at = usize::try_from(self.rng.next_u64() % apart.len() as u64).expect("an index");
            let scope = apart.swap_remove(at);
            if self.rng.next_u64().is_multiple_of(seldom) {
                self.meet_host(&scope, now, fx);
            }
        }
    }

    /// Has every scope of ours been compared with somebody, of whom there is anybody?
    pub(super) fn is_compared(&self) -> bool {
        let compared = |scope| self.is_compared_in(scope) || self.other_hosts(scope).next().is_none();
        self.scopes_of_ours().iter().all(compared)
    }

    /// Since we have started, and until we are ready.
    fn is_compared_in(&self, scope: &ScopeName) -> bool {
        self.other_hosts(scope).any(|member| self.compared.contains(&member.id))
    }

    fn meet_host(&mut self, scope: &ScopeName, now: Now, fx: &mut Vec<Effect>) {
        let others = self.other_hosts(scope).filter(|member| !member.address.is_empty()).count();
        if others == 0 {
            return;
        }
        let at = usize::try_from(self.rng.next_u64() % others as u64).expect("an index");
        let found = self.other_hosts(scope).filter(|member| !member.address.is_empty()).nth(at);
        let (id, address) = found.map(|member| (member.id, member.address.clone())).expect("counted above");
        if !self.sync_with(id, fx) {
            self.dial_now(&address, now, fx);
        }
    }

    /// The user scopes that we host. Who hosts all hosts what anybody names.
    fn scopes_of_ours(&self) -> BTreeSet<ScopeName> {
        if let Some(hosted) = &self.config.hosted {
            return hosted.iter().cloned().collect();
        }
        let here = self.scopes.replicas.keys().filter(|name| !name.is_system());
        self.roster.named_scopes().chain(here).cloned().collect()
    }

    /// Does this node host the scope?
    pub fn is_host(&self, scope: &ScopeName) -> bool {
        self.scopes.hosts(scope)
    }

    /// Those who host a scope and take part, ourselves included.
    pub(super) fn hosts_of(&self, scope: &ScopeName) -> Vec<NodeId> {
        self.other_hosts(scope).map(|member| member.id).chain([self.id]).collect()
    }

    fn is_near(&self, scope: &ScopeName) -> bool {
        self.overlay.active().any(|peer| self.scopes.peer_hosts(peer, scope))
    }

    fn other_hosts<'a>(&'a self, scope: &'a ScopeName) -> impl Iterator<Item = &'a Member> {
        let present = self.roster.iter().filter(|member| member.id != self.id && member.state.is_present());
        present.filter(|member| hosts(member.hosted.as_deref(), scope))
    }
}
