//! What comes over a link: decoded, checked, and handed to whom it concerns.

use damson_crdt::{Digest, NodeId};

use super::Node;
use super::effects::{Effect, Lane, LinkId};
use crate::membership::OverlayInput;
use crate::time::Now;
use crate::wire::{Beat, GREETING_BYTES_MAX, Have, Message};

/// Probes that are passed on at once.
const RELAYED_MAX: usize = 1_024;

impl Node {
    pub(super) fn on_frame(&mut self, link: LinkId, frame: &[u8], now: Now, fx: &mut Vec<Effect>) {
        let Some(found) = self.links.get_mut(link) else { return };
        found.heard = now.time;
        let (peer, open) = (found.peer, found.open);
        if !open && frame.len() > GREETING_BYTES_MAX {
            self.counters.malformed += 1;
            fx.push(Effect::Close { link });
            return;
        }
        match Message::decode(frame) {
            Ok(message) if open => self.on_message(link, peer, message, now, fx),
            Ok(Message::Hello(hello)) => self.on_hello(link, hello, now, fx),
            Ok(Message::Welcome(welcome)) => self.on_welcome(link, &welcome, now, fx),
            Ok(Message::Refuse(cause)) => self.on_refuse(link, cause, now, fx),
            // A frame may overtake the welcome; what it says comes again by anti-entropy.
            Ok(_) => {}
            Err(error) if error.is_unknown_variant() => self.counters.unknown += 1,
            Err(_) => self.counters.malformed += 1,
        }
    }

    fn on_message(&mut self, link: LinkId, peer: NodeId, message: Message, now: Now, fx: &mut Vec<Effect>) {
        self.liveness.heard(peer, now.time);
        self.old_link_answers(peer, now, fx);
        match message {
            Message::Push { scope, batches, round } => self.on_push(peer, &scope, batches, round, now, fx),
            Message::Cast { scope, cast, round } => self.on_cast(peer, &scope, cast, round, now, fx),
            Message::CastTops(tops) => self.on_cast_tops(peer, &tops, now),
            Message::Have(haves) => self.on_haves(peer, &haves, now),
            Message::Graft(wants) => {
                let mut effects = Vec::new();
                self.broadcast.on_graft(peer, &wants, now.time, &mut effects);
                self.carry_out_broadcast(effects, now, fx);
            }
            Message::Vector(bytes) => self.broadcast.on_vector(peer, &bytes, now.time),
            Message::Overlay(message) => self.overlay_input(OverlayInput::Message(peer, message), now, fx),
            Message::Sync(message) => {
                let mut effects = Vec::new();
                self.sync.handle(peer, message, now.time, &mut self.scopes, &mut effects);
                self.carry_out_sync(effects, fx);
            }
            Message::Check(digest) => {
                if self.answer_check(peer, digest, fx) {
                    self.send(peer, Lane::Urgent, &Message::Equal, fx);
                }
            }
            Message::Equal => self.found_equal(peer, fx),
            Message::Ping(beat, haves) => {
                self.note_beat(peer, beat, haves, now, fx);
                let equal = beat.check.filter(|check| self.answer_check(peer, *check, fx));
                let answer = Beat { check: equal, ..self.beat(peer, beat.nonce, now) };
                let rides = self.broadcast.ride(peer);
                self.send(peer, Lane::Urgent, &Message::Pong(answer, rides), fx);
            }
            Message::Pong(beat, haves) => self.on_pong(peer, beat, haves, now, fx),
            Message::PingRequest { nonce, target } => self.relay_ping(peer, nonce, target, now, fx),
            Message::PingVouch { nonce, target } => self.liveness.vouched(peer, target, nonce, now.time),
            Message::Ask(ask) => self.on_ask(peer, ask, now, fx),
            Message::Answer(answer) => self.on_answer(peer, answer, now, fx),
            Message::Call(call) => self.on_call(peer, call, fx),
            Message::Return(answer) => self.on_return(peer, answer, fx),
            Message::Bye => self.on_bye(peer, now, fx),
            // Greetings are over: whatever the cause, it is no reason to doubt ourselves.
            Message::Refuse(_) => self.drop_link(link, now, fx),
            Message::Hello(_) | Message::Welcome(_) => {}
        }
    }

    fn relay_ping(&mut self, asker: NodeId, nonce: u64, target: NodeId, now: Now, fx: &mut Vec<Effect>) {
        self.relayed.retain(|_, (_, _, since)| now.time.ms_since(*since) < 5_000);
        if self.relayed.len() + self.regroup.asked.len() >= RELAYED_MAX {
            return;
        }
        if self.links.of(target).is_none() {
            // A link is as good an answer as any.
            let address = self.roster.get(target).map(|member| member.address.clone());
            if let Some(address) = address.filter(|address| !address.is_empty()) {
                self.regroup.asked.push((target, asker, nonce, now.time));
                self.dial_now(&address, now, fx);
            }
            return;
        }
        let own = self.next_relay;
        self.next_relay += 1;
        self.relayed.insert(own, (asker, nonce, now.time));
        let beat = self.beat(target, own, now);
        self.send(target, Lane::Urgent, &Message::Ping(beat, None), fx);
    }

    fn on_pong(
        &mut self,
        peer: NodeId,
        beat: Beat,
        haves: Option<Vec<Have>>,
        now: Now,
        fx: &mut Vec<Effect>,
    ) {
        self.note_beat(peer, beat, haves, now, fx);
        if beat.check.is_some() {
            self.found_equal(peer, fx);
        }
        match self.relayed.remove(&beat.nonce) {
            Some((asker, nonce, _)) => {
                self.send(asker, Lane::Urgent, &Message::PingVouch { nonce, target: peer }, fx);
            }
            None => {
                if self.liveness.answered(peer, beat.nonce, now.time) {
                    self.note_clock(peer, beat, now);
                }
                let measured = self.liveness.round_trip_us(peer);
                measured.into_iter().for_each(|us| self.broadcast.measured(peer, us, now.time));
            }
        }
    }

    fn note_beat(
        &mut self,
        peer: NodeId,
        beat: Beat,
        haves: Option<Vec<Have>>,
        now: Now,
        fx: &mut Vec<Effect>,
    ) {
        if beat.neighbor == Some(true) && !self.overlay.is_neighbor(peer) {
            self.overlay_input(OverlayInput::Claimed(peer), now, fx);
        }
        if let Some(haves) = haves {
            self.on_haves(peer, &haves, now);
        }
        self.digests.insert(peer, Digest(beat.digest));
    }

    /// How far the peer's clock is from ours. Only fresh answers tell: what waited to be read while we stood still does not.
    fn note_clock(&mut self, peer: NodeId, beat: Beat, now: Now) {
        let offset = i64::try_from(i128::from(beat.wall_ms) - i128::from(now.wall_ms));
        self.offsets_ms.insert(peer, offset.unwrap_or(i64::MAX));
    }

    pub(super) fn beat(&self, to: NodeId, nonce: u64, now: Now) -> Beat {
        let neighbor = self.overlay.is_neighbor(to).then_some(true);
        Beat { nonce, wall_ms: now.wall_ms, digest: self.digest().0, neighbor, check: None }
    }

    /// Are we equal? If not, the peer is told how we differ.
    fn answer_check(&mut self, peer: NodeId, check: [u8; 8], fx: &mut Vec<Effect>) -> bool {
        let mut effects = Vec::new();
        let equal = self.sync.on_check(peer, check, &self.scopes, &mut effects);
        self.carry_out_sync(effects, fx);
        equal
    }

    fn found_equal(&mut self, peer: NodeId, fx: &mut Vec<Effect>) {
        let mut effects = Vec::new();
        self.sync.on_equal(peer, &mut effects);
        self.carry_out_sync(effects, fx);
    }
}
