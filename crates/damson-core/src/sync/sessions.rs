//! Sessions as an operator sees them: listed while they run, and ended before their time.
//!
//! Whoever receives enters nothing before the last part, so a session may end anywhere: the state is as it was, and the next
//! round finds the same difference. The other end is told, and forgets its half.

use damson_crdt::NodeId;

use super::{Scopes, Sync, SyncEffect, send};
use crate::scope::ScopeName;
use crate::time::Time;
use crate::wire::SyncMessage;

/// A session that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its number on this node. Those of both directions are numbered together, from 1.
    pub number: u64,
    /// The other end.
    pub peer: NodeId,
    /// What is compared and brought.
    pub scope: ScopeName,
    /// Which end this node is.
    pub end: SessionEnd,
    /// Since when.
    pub began: Time,
}

/// The two ends of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// It asked for what it lacks.
    Receiver,
    /// It was asked.
    Source,
}

impl Sync {
    /// The sessions that run: the one in which this node receives, and those in which it is the source.
    pub fn sessions(&self) -> impl Iterator<Item = Session> + '_ {
        let inbound = self.inbound.iter().map(|inbound| Session {
            number: inbound.number,
            peer: inbound.peer,
            scope: inbound.scope.clone(),
            end: SessionEnd::Receiver,
            began: inbound.began,
        });
        let outbound = self.outbound.iter().filter(|(_, outbound)| !outbound.ended);
        inbound.chain(outbound.map(|((peer, _), outbound)| Session {
            number: outbound.number_here,
            peer: *peer,
            scope: outbound.scope.clone(),
            end: SessionEnd::Source,
            began: outbound.began,
        }))
    }

    /// Ends a session; false when none of this number runs. With one in which this node receives, what else was to be
    /// pulled from that peer is dropped too: the next round finds it again.
    pub fn cancel(
        &mut self,
        number: u64,
        now: Time,
        scopes: &mut dyn Scopes,
        fx: &mut Vec<SyncEffect>,
    ) -> bool {
        let cancelled = self.cancel_inbound(number, scopes, fx) || self.cancel_outbound(number, scopes, fx);
        self.counters.cancelled += u64::from(cancelled);
        self.pull_next(now, scopes, fx);
        cancelled
    }

    fn cancel_inbound(&mut self, number: u64, scopes: &mut dyn Scopes, fx: &mut Vec<SyncEffect>) -> bool {
        let Some(inbound) = self.inbound.as_ref().filter(|inbound| inbound.number == number) else {
            return false;
        };
        let (peer, session) = (inbound.peer, inbound.session);
        fx.push(send(peer, SyncMessage::Abort { session }));
        self.wanted.retain(|wish| wish.peer != peer);
        self.end_inbound(scopes);
        true
    }

    fn cancel_outbound(&mut self, number: u64, scopes: &mut dyn Scopes, fx: &mut Vec<SyncEffect>) -> bool {
        let mut running = self.outbound.iter().filter(|(_, outbound)| !outbound.ended);
        let Some((&key, _)) = running.find(|(_, outbound)| outbound.number_here == number) else {
            return false;
        };
        let (peer, session) = key;
        fx.push(send(peer, SyncMessage::Abort { session }));
        self.close(key, scopes);
        true
    }
}
