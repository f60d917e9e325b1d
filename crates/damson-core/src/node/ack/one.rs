//! Waiting for one member: until all that it has is here, or until all that is here is there; and who has what.
//!
//! A pull asks what the member has seen, as a majority's members are asked, and a push whether it has what we have, as for
//! an acknowledgement. What is missing is fetched by anti-entropy, which is begun at once: on the way here by a
//! comparison, on the way there by telling the member our digests, so that it pulls.

use damson_crdt::NodeId;
use rand_core::Rng;

use super::waits::Kind;
use super::{Ack, PARTS_MAX, Token, WaitError};
use crate::membership::MemberState;
use crate::node::effects::Effect;
use crate::node::scopes::hosts;
use crate::node::{Node, Now};
use crate::scope::ScopeName;
use crate::wire::Have;

impl Node {
    /// Waits until all is here that a member had seen of a scope at some time after this call. Ends as
    /// [`Node::await_ack`].
    pub fn await_pull(
        &mut self,
        scope: &ScopeName,
        member: NodeId,
        time_out_ms: u64,
        now: Now,
        fx: &mut Vec<Effect>,
    ) -> Result<u64, WaitError> {
        self.check_partner(scope, member)?;
        // Whoever asks for it does not wait for the pause after the last comparison.
        self.acks.nudged.remove(&member);
        let kind = Kind::Majority { scope: scope.clone(), lacks: Default::default() };
        self.begin_wait(kind, Some(member), Some(time_out_ms), now, fx)
    }

    /// Waits until a member has all this, a group of [`Node::held`], as durably as its scope asks there. Ends as
    /// [`Node::await_ack`].
    pub fn await_push(
        &mut self,
        held: Vec<Have>,
        member: NodeId,
        time_out_ms: u64,
        now: Now,
        fx: &mut Vec<Effect>,
    ) -> Result<u64, WaitError> {
        if !(1..=PARTS_MAX).contains(&held.len()) {
            return Err(WaitError::Scopes);
        }
        held.iter().try_for_each(|part| self.check_partner(&part.scope, member))?;
        let parts: Option<Vec<Have>> = held.into_iter().map(|part| self.acks.resolve(part)).collect();
        let kind = Kind::Ack { parts: parts.ok_or(WaitError::Unsure)?, ack: Ack::N(2) };
        self.begin_wait(kind, Some(member), Some(time_out_ms), now, fx)
    }

    /// Waits, until [`Node::end_wait`] at the latest, for members to have the write that a token names, whoever wrote it: who has it
    /// says [`Node::wait_members`].
    pub fn await_reached(
        &mut self,
        token: &Token,
        ack: Ack,
        now: Now,
        fx: &mut Vec<Effect>,
    ) -> Result<u64, WaitError> {
        self.begin_wait(Kind::Ack { parts: vec![token.part().clone()], ack }, None, None, now, fx)
    }

    /// Is the write here that a token names, with all that its writer wrote in the scope before?
    pub fn has_reached(&self, token: &Token) -> bool {
        let part = token.part();
        let seen = self.scopes.replicas.get(&part.scope).and_then(|replica| replica.context().of(part.actor));
        seen.and_then(|seen| seen.end_of(1)).is_some_and(|end| end >= part.last)
    }

    /// What is here of a scope, in groups that one wait can be about. What came with a gap before it is not here yet.
    pub fn held(&self, scope: &ScopeName) -> Vec<Vec<Have>> {
        let Some(replica) = self.scopes.replicas.get(scope) else { return Vec::new() };
        let whole = |actor, last| Have { scope: scope.clone(), actor, last };
        let seen = replica.context().iter();
        let parts: Vec<Have> = seen.filter_map(|(actor, seen)| Some(whole(actor, seen.end_of(1)?))).collect();
        parts.chunks(PARTS_MAX).map(<[Have]>::to_vec).collect()
    }

    /// Can a scope be synchronised with this member?
    ///
    /// # Errors
    /// [`WaitError::NoSuchMember`], [`WaitError::NotHosted`], [`WaitError::NotHostedThere`], or [`WaitError::Unreachable`]
    /// when it is dead, or has no address, and no link.
    pub fn check_partner(&self, scope: &ScopeName, member: NodeId) -> Result<(), WaitError> {
        if !self.scopes.hosts(scope) {
            return Err(WaitError::NotHosted);
        }
        let linked = self.links.of(member).is_some();
        let Some(found) = self.roster.get(member) else {
            return if linked && !self.config.roster { Ok(()) } else { Err(WaitError::NoSuchMember) };
        };
        if member == self.id || found.state == MemberState::Left {
            return Err(WaitError::NoSuchMember);
        }
        if !hosts(found.hosted.as_deref(), scope) {
            return Err(WaitError::NotHostedThere);
        }
        let dialable = found.state.is_present() && !found.address.is_empty();
        if linked || dialable { Ok(()) } else { Err(WaitError::Unreachable) }
    }

    /// Some of the other members that host a scope and are present, at random.
    pub fn some_hosts(&mut self, scope: &ScopeName, max: usize) -> Vec<NodeId> {
        let mut open: Vec<NodeId> = self.hosts_of(scope).into_iter().filter(|id| *id != self.id).collect();
        let mut chosen = Vec::new();
        while chosen.len() < max && !open.is_empty() {
            let at = usize::try_from(self.rng.next_u64() % open.len() as u64).expect("an index");
            chosen.push(open.swap_remove(at));
        }
        chosen
    }

    /// Has a member an open link?
    pub fn is_linked(&self, member: NodeId) -> bool {
        self.links.of(member).is_some()
    }

    /// A member that is waited for is told our digests: it pulls what it lacks.
    pub(super) fn offer_state(&mut self, member: NodeId, fx: &mut Vec<Effect>) {
        let mut effects = Vec::new();
        self.sync.offer(member, &self.scopes, &mut effects);
        self.carry_out_sync(effects, fx);
    }
}
