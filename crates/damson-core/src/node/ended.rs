//! The end of a life: when do all know all that it wrote (rule 12)?
//!
//! Counter cells of ended lives may hold traces of resets, for totals that have not come yet. None can come once every member,
//! the dead and those that left too, has seen the same operations of that life, with nothing of it waiting; and nobody else
//! can bring any, because a forgotten member comes back empty and all who were asked know who is forgotten (they had the same roster).
//! So the newer life asks each member, in its own time, and then removes the traces. An agreement holds until a member
//! is forgotten: whoever agreed before that has to know of it.

use std::collections::BTreeSet;

use damson_crdt::{Actor, Context, Intervals, NodeId, codec};
use rand_core::Rng;

use super::effects::{Effect, Lane};
use super::{Node, Now};
use crate::scope::ScopeName;
use crate::time::Time;
use crate::wire::{Answer, Ask, Message, Question, Said};

/// The first question waits for so many pauses between two: what was under way when the life ended has arrived by then.
const FIRST_PAUSES: u64 = 6;

/// What is asked of the members about ended lives, one at a time.
#[derive(Debug, Default)]
pub(super) struct Ended {
    inquiry: Option<Inquiry>,
    next: Option<Time>,
}

#[derive(Debug)]
struct Inquiry {
    nonce: u64,
    scope: ScopeName,
    actor: Actor,
    seen: Intervals,
    agreed: BTreeSet<NodeId>,
}

impl Inquiry {
    fn question(&self, roster: [u8; 16]) -> Question {
        let mut context = Context::default();
        context.set(self.actor, self.seen.clone());
        let mut seen = Vec::new();
        codec::encode_context(&mut seen, &context);
        Question::Ended { scope: self.scope.clone(), seen, roster }
    }
}

impl Node {
    /// A member was forgotten: whoever agrees has to know that.
    pub(super) fn ask_for_the_end_anew(&mut self) {
        self.ended.inquiry = None;
    }

    /// Asks on, or removes what nobody needs any more. Comes with the sweep.
    pub(super) fn tick_ended(&mut self, now: Now, fx: &mut Vec<Effect>) {
        let pause_ms = self.config.ended_ms;
        let next = *self.ended.next.get_or_insert(now.time.plus_ms(FIRST_PAUSES * pause_ms));
        if now.time < next || !self.config.roster || !self.is_ready() {
            return;
        }
        self.ended.next = Some(now.time.plus_ms(pause_ms));
        self.choose_end();
        let Some(inquiry) = &self.ended.inquiry else { return };
        let agreed = &inquiry.agreed;
        let open = self.roster.iter().filter(|member| member.id != self.id && !agreed.contains(&member.id));
        let open: Vec<(NodeId, String)> = open.map(|member| (member.id, member.address.clone())).collect();
        if open.is_empty() {
            self.remove_ended(now, fx);
            return;
        }
        let ask = Ask { nonce: inquiry.nonce, question: inquiry.question(self.roster_digest()) };
        let (linked, far): (Vec<_>, Vec<_>) =
            open.into_iter().partition(|(id, _)| self.links.of(*id).is_some());
        linked.into_iter().for_each(|(id, _)| self.send(id, Lane::Urgent, &Message::Ask(ask.clone()), fx));
        let far: Vec<String> =
            far.into_iter().map(|(_, address)| address).filter(|a| !a.is_empty()).collect();
        if !far.is_empty() {
            let at = usize::try_from(self.rng.next_u64() % far.len() as u64).expect("an index");
            self.dial_now(&far[at], now, fx);
        }
    }

    /// Have we seen the same of an ended life, and know the same members?
    pub(super) fn agrees_on_the_end(&self, scope: &ScopeName, seen: &[u8], roster: [u8; 16]) -> bool {
        let Ok(seen) = codec::decode_context(seen, &self.config.replica.limits) else { return false };
        let Some((actor, numbers)) = seen.iter().next() else { return false };
        let has = match self.scopes.replicas.get(scope) {
            Some(replica) => replica.has_seen_just(actor, numbers),
            None => !self.scopes.hosts(scope),
        };
        has && self.roster_digest() == roster
    }

    /// Is this the answer to our question about a life? Then it is taken.
    pub(super) fn takes_agreement(&mut self, peer: NodeId, answer: &Answer) -> bool {
        match &mut self.ended.inquiry {
            Some(inquiry) if inquiry.nonce == answer.nonce && answer.said == Said::Has => {
                inquiry.agreed.insert(peer);
                true
            }
            _ => false,
        }
    }

    /// The life that is asked about: the same as before, as long as we know no more of it.
    fn choose_end(&mut self) {
        let holds = |inquiry: &Inquiry| {
            let replica = self.scopes.replicas.get(&inquiry.scope);
            replica.is_some_and(|replica| replica.has_seen_just(inquiry.actor, &inquiry.seen))
        };
        if self.ended.inquiry.as_ref().is_some_and(holds) {
            return;
        }
        let nonce = self.rng.next_u64();
        let mut found = self.scopes.replicas.iter_mut().filter_map(|(scope, replica)| {
            let actor = replica.ended_with_traces()?;
            let seen = replica.context().of(actor)?.clone();
            Some(Inquiry { nonce, scope: scope.clone(), actor, seen, agreed: BTreeSet::new() })
        });
        self.ended.inquiry = found.next();
    }

    fn remove_ended(&mut self, now: Now, fx: &mut Vec<Effect>) {
        let Some(Inquiry { scope, actor, .. }) = self.ended.inquiry.take() else { return };
        let Some(replica) = self.scopes.replicas.get_mut(&scope) else { return };
        let hlc = self.clock.tick(now.wall_ms);
        if let Some(batch) = replica.remove_traces(actor, hlc, now.wall_ms) {
            self.counters.traces_removed += batch.ops.len() as u64;
            self.push(&scope, &batch, now, fx);
            self.flush(&scope, now, fx);
        }
    }

    fn roster_digest(&self) -> [u8; 16] {
        let roster = self.scopes.replicas.get(&ScopeName::roster());
        roster.map(|replica| replica.digest().0).unwrap_or_default()
    }
}
