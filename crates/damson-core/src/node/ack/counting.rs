//! Who counts, and how many are enough.

use damson_crdt::NodeId;

use super::waits::Kind;
use super::{Ack, Waited};
use crate::membership::{Member, MemberState};
use crate::node::effects::Effect;
use crate::node::scopes::hosts;
use crate::node::{Node, Now};

impl Node {
    /// Is the wait over? If not, asks whoever is to be asked.
    pub(super) fn look_at_wait(&mut self, id: u64, now: Now, fx: &mut Vec<Effect>) {
        self.count_wanted(id);
        let Some(wait) = self.acks.waits.get(id) else { return };
        let (had, wanted) = (wait.count(), wait.wanted);
        let complete = match &wait.kind {
            Kind::Ack { ack: Ack::Local | Ack::N(_), .. } => true,
            // Members may be missing from the roster of one who has only just come.
            Kind::Ack { .. } => !self.is_joining(),
            Kind::Majority { lacks, .. } => lacks.is_empty() && !self.is_joining(),
            // Ends when its question does.
            Kind::Here { .. } => false,
        };
        if complete && had >= wanted {
            self.finish_wait(id, Waited::Reached { had }, fx);
        } else if now.time >= wait.deadline {
            let here = matches!(wait.kind, Kind::Here { .. });
            let end = Waited::TimedOut { had: if here { 0 } else { had }, wanted };
            self.finish_wait(id, end, fx);
        } else {
            self.ask_members(id, now, fx);
        }
    }

    /// A member has it.
    pub(super) fn count_in(&mut self, id: u64, member: NodeId) {
        let counts = self.may_count(id, member);
        self.acks.waits.answered(id, member);
        if let Some(wait) = self.acks.waits.get_mut(id).filter(|_| counts) {
            wait.had.insert(member);
        }
    }

    /// Is this a member that hosts what the wait is about, and has not left?
    pub(super) fn may_count(&self, id: u64, member: NodeId) -> bool {
        let Some(wait) = self.acks.waits.get(id) else { return false };
        if wait.only.is_some_and(|only| only != member) {
            return false;
        }
        if !self.config.roster {
            return wait.kind.scopes().all(|scope| self.scopes.peer_hosts(member, scope));
        }
        self.roster.get(member).is_some_and(|member| is_host(&wait.kind, member))
    }

    /// Counts anew how many have to have it, when members have changed.
    fn count_wanted(&mut self, id: u64) {
        let Some(wait) = self.acks.waits.get(id).filter(|wait| wait.stale) else { return };
        let others = || self.roster.iter().filter(|m| m.id != self.id && is_host(&wait.kind, m));
        // Whoever looks for a cluster and has found nobody yet is no majority of it.
        let company = if self.knows_nobody() { 2 } else { 1 };
        let wanted = match &wait.kind {
            _ if wait.only.is_some() => 2,
            Kind::Ack { ack: Ack::Local, .. } | Kind::Here { .. } => 1,
            Kind::Ack { ack: Ack::N(n), .. } => *n,
            Kind::Ack { ack: Ack::All, .. } => {
                company.max(1 + others().filter(|m| m.state.is_present()).count())
            }
            Kind::Ack { ack: Ack::Majority, .. } | Kind::Majority { .. } => {
                let hosts = 1 + others().count();
                company.max(hosts / 2 + 1)
            }
        };
        let living_only = matches!(wait.kind, Kind::Ack { ack: Ack::All, .. });
        let counts = |id: &NodeId| {
            let member = self.roster.get(*id);
            let gone = member.is_none_or(|m| !is_host(&wait.kind, m) || living_only && !m.state.is_present());
            !gone || !self.config.roster
        };
        let had = wait.had.iter().copied().filter(counts).collect();
        let wait = self.acks.waits.get_mut(id).expect("looked up above");
        (wait.wanted, wait.had, wait.stale) = (wanted, had, false);
    }

    fn knows_nobody(&self) -> bool {
        let contacts = !self.config.contacts.is_empty() || self.config.discovers;
        contacts && self.roster.iter().all(|member| member.id == self.id)
    }
}

fn is_host(kind: &Kind, member: &Member) -> bool {
    let hosted = member.hosted.as_deref();
    member.state != MemberState::Left && kind.scopes().all(|scope| hosts(hosted, scope))
}
