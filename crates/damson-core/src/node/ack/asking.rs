//! Whom to ask, and when again.

use damson_crdt::NodeId;
use rand_core::Rng;

use super::seen;
use super::waits::Kind;
use crate::node::effects::{Effect, Lane};
use crate::node::{Node, Now};
use crate::wire::{Ask, Message, Question};

/// Members that are asked at once although fewer would do, of those with a link.
const ASKED_AT_ONCE: usize = 16;
/// Guests on their way at once, for all waits together.
const GUESTS_AT_ONCE: usize = 16;
/// How long a guest is waited for, in milliseconds.
const GUEST_MS_MAX: u64 = 2_000;
/// A question is asked again no sooner, in milliseconds.
const PAUSE_MS_MIN: u64 = 100;
/// It is asked again after so many round trips of its link, and then after twice as long each time.
const PAUSE_ROUND_TRIPS: u64 = 3;
/// How long what is missing may be on its way by itself, in milliseconds.
const GRACE_MS: u64 = 50;
/// Comparisons with one member for those who wait are begun no sooner after each other, in milliseconds.
const NUDGE_MS: u64 = 500;
/// Members that are compared with at once, for one wait.
const NUDGED_MAX: usize = 3;

impl Node {
    /// The waits whose time has come.
    pub(in crate::node) fn tick_waits(&mut self, now: Now, fx: &mut Vec<Effect>) {
        if std::mem::take(&mut self.acks.members_changed) {
            self.acks.waits.all_due(now.time);
        }
        for id in self.acks.waits.due(now.time) {
            self.hurry(id, now, fx);
            self.look_at_wait(id, now, fx);
        }
    }

    pub(super) fn ask_members(&mut self, id: u64, now: Now, fx: &mut Vec<Effect>) {
        let Some(wait) = self.acks.waits.get(id) else { return };
        let here = matches!(wait.kind, Kind::Here { .. });
        if !here {
            // Made when it is needed: the shares of a large context cost time.
            let mut question = None;
            self.ask_again(id, &mut question, now, fx);
            self.ask_linked(id, &mut question, now, fx);
            self.invite_guests(id, now, fx);
        }
        let Some(wait) = self.acks.waits.get(id) else { return };
        let again = wait.asked.values().map(|asked| asked.next).min();
        let short = wait.wanted.saturating_sub(wait.count()) > wait.hopes();
        let behind = here || self.acks.behind.contains(&id);
        let soon = (short || behind).then(|| now.time.plus_ms(if behind { GRACE_MS } else { PAUSE_MS_MIN }));
        let due = again.into_iter().chain(soon).min();
        self.acks.waits.set_due(id, due.unwrap_or(crate::time::Time(u64::MAX)));
    }

    /// Begins a comparison with a member at once, unless that was done of late.
    pub(super) fn nudge(&mut self, peer: NodeId, now: Now, fx: &mut Vec<Effect>) {
        let lately = self.acks.nudged.get(&peer).is_some_and(|at| now.time.ms_since(*at) < NUDGE_MS);
        if !lately && !self.sync.is_busy(peer) && self.sync_with(peer, fx) {
            self.acks.nudged.insert(peer, now.time);
        }
    }

    /// What is waited for here has not come by itself: it is fetched from somebody who has it.
    fn hurry(&mut self, id: u64, now: Now, fx: &mut Vec<Effect>) {
        let Some(wait) = self.acks.waits.get(id) else { return };
        let linked = |id: &NodeId| self.links.of(*id).is_some();
        let sources: Vec<NodeId> = match &wait.kind {
            Kind::Ack { .. } => return,
            Kind::Majority { .. } if !self.acks.behind.contains(&id) => return,
            Kind::Majority { .. } => wait.had.iter().copied().filter(linked).take(NUDGED_MAX).collect(),
            Kind::Here { part } if linked(&part.actor.node) => vec![part.actor.node],
            Kind::Here { part } => {
                let mut near: Vec<NodeId> =
                    self.overlay.active().filter(|peer| self.scopes.peer_hosts(*peer, &part.scope)).collect();
                if near.len() > 1 {
                    let at = usize::try_from(self.rng.next_u64() % near.len() as u64).expect("an index");
                    near = vec![near[at]];
                }
                near
            }
        };
        sources.into_iter().for_each(|peer| self.nudge(peer, now, fx));
    }

    /// What is asked for a wait; `None` when nobody has to be.
    fn question_of(&self, id: u64) -> Option<Message> {
        let question = match &self.acks.waits.get(id)?.kind {
            Kind::Ack { parts, .. } => Question::Has(parts.clone()),
            Kind::Majority { scope, .. } => {
                let nothing = Default::default();
                let context = self.scopes.replicas.get(scope).map_or(&nothing, |replica| replica.context());
                Question::Seen { scope: scope.clone(), shares: seen::shares(context) }
            }
            Kind::Here { .. } => return None,
        };
        Some(Message::Ask(Ask { nonce: id, question }))
    }

    fn ask_again(&mut self, id: u64, question: &mut Option<Message>, now: Now, fx: &mut Vec<Effect>) {
        let Some(wait) = self.acks.waits.get(id) else { return };
        let due = wait.asked.iter().filter(|(_, asked)| asked.next <= now.time);
        let due: Vec<(NodeId, u32)> = due.map(|(member, asked)| (*member, asked.tries)).collect();
        for (member, tries) in due {
            if self.links.of(member).is_none() {
                self.acks.waits.answered(id, member);
                continue;
            }
            self.ask(id, member, question, now, fx);
            if tries > 1 {
                // It may have missed the write.
                self.nudge(member, now, fx);
            }
        }
    }

    fn ask_linked(&mut self, id: u64, question: &mut Option<Message>, now: Now, fx: &mut Vec<Effect>) {
        let Some(wait) = self.acks.waits.get(id) else { return };
        let missing = wait.wanted.saturating_sub(wait.count());
        let room = missing.max(ASKED_AT_ONCE).saturating_sub(wait.hopes());
        if missing == 0 {
            return;
        }
        let max = self.acks.config.questions_per_member_max;
        let open = |peer: &NodeId| {
            let known = wait.had.contains(peer) || wait.asked.contains_key(peer);
            !known && self.may_count(id, *peer) && self.acks.waits.unanswered(*peer) < max
        };
        let neighbors = self.overlay.active();
        let guests = self.links.peers().filter(|peer| !self.overlay.is_neighbor(*peer));
        let asked: Vec<NodeId> = neighbors
            .chain(guests)
            .filter(|peer| self.links.of(*peer).is_some())
            .filter(open)
            .take(room)
            .collect();
        asked.into_iter().for_each(|peer| self.ask(id, peer, question, now, fx));
    }

    /// Those with a link are too few: others are dialled.
    fn invite_guests(&mut self, id: u64, now: Now, fx: &mut Vec<Effect>) {
        let Some(wait) = self.acks.waits.get(id) else { return };
        let short = wait.wanted.saturating_sub(wait.count()).saturating_sub(wait.hopes());
        if short == 0 || self.leaving || self.is_mesh() {
            return;
        }
        self.acks.dialing.retain(|_, until| *until > now.time);
        let dials = short.min(GUESTS_AT_ONCE.saturating_sub(self.acks.dialing.len()));
        if dials == 0 {
            return;
        }
        let Some(wait) = self.acks.waits.get(id) else { return };
        let is_open = |id: &NodeId| {
            let known = wait.had.contains(id) || wait.asked.contains_key(id);
            !known && self.links.of(*id).is_none() && !self.acks.dialing.contains_key(id)
        };
        let present = self.roster.iter().filter(|member| member.state.is_present() && member.id != self.id);
        let mut open: Vec<(NodeId, String)> = present
            .filter(|member| {
                !member.address.is_empty() && is_open(&member.id) && self.may_count(id, member.id)
            })
            .map(|member| (member.id, member.address.clone()))
            .collect();
        for _ in 0..dials.min(open.len()) {
            let at = usize::try_from(self.rng.next_u64() % open.len() as u64).expect("an index");
            let (member, address) = open.swap_remove(at);
            self.acks.dialing.insert(member, now.time.plus_ms(GUEST_MS_MAX));
            self.dial_now(&address, now, fx);
        }
    }

    fn ask(
        &mut self,
        id: u64,
        member: NodeId,
        question: &mut Option<Message>,
        now: Now,
        fx: &mut Vec<Effect>,
    ) {
        let round_trip_ms = self.liveness.round_trip_us(member).unwrap_or_default() / 1_000;
        let pause_ms = PAUSE_MS_MIN.max(round_trip_ms * PAUSE_ROUND_TRIPS);
        self.acks.waits.asks(id, member, pause_ms, now.time);
        if question.is_none() {
            *question = self.question_of(id);
        }
        question.iter().for_each(|question| self.send(member, Lane::Urgent, question, fx));
        let wait = self.acks.waits.get(id);
        if wait.is_some_and(|wait| wait.only.is_some() && matches!(wait.kind, Kind::Ack { .. })) {
            self.offer_state(member, fx);
        }
    }
}
