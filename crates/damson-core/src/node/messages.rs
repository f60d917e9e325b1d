//! What comes over a link: decoded, checked, and handed to whom it concerns.

use damson_crdt::codec;
use damson_crdt::{Batch, Digest, NodeId, Rule};

use super::Node;
use super::effects::{Effect, Event, Lane, LinkId};
use crate::replica::Applied;
use crate::scope::ScopeName;
use crate::time::Now;
use crate::wire::{Beat, GREETING_BYTES_MAX, Message};

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
            Message::Push { scope, batches } => self.on_push(peer, &scope, &batches, now),
            Message::Sync(message) => {
                let mut effects = Vec::new();
                self.sync.handle(peer, message, now.time, &mut self.scopes, &mut effects);
                self.carry_out_sync(effects, fx);
            }
            Message::Ping(beat) => {
                self.note_beat(peer, beat, now);
                let answer = self.beat(beat.nonce, now);
                self.send(peer, Lane::Urgent, &Message::Pong(answer), fx);
            }
            Message::Pong(beat) => self.on_pong(peer, beat, now, fx),
            Message::PingRequest { nonce, target } => self.relay_ping(peer, nonce, target, now, fx),
            Message::PingVouch { nonce, target } => self.liveness.answered(target, nonce, now.time),
            Message::Bye => self.on_bye(peer, now, fx),
            Message::Refuse(cause) => self.on_refuse(link, cause, now, fx),
            Message::Hello(_) | Message::Welcome(_) => {}
        }
    }

    fn on_push(&mut self, peer: NodeId, scope: &ScopeName, batches: &[u8], now: Now) {
        let Ok(batches) = codec::decode_batches(batches, &self.config.replica.limits) else {
            self.counters.malformed += 1;
            return;
        };
        for batch in batches {
            self.apply(peer, scope, &batch, now);
        }
    }

    fn apply(&mut self, peer: NodeId, scope: &ScopeName, batch: &Batch, now: Now) {
        let (drift, rules) = (self.config.clock_drift_ms_max, self.config.rules);
        let ahead = batch.hlc.ms() > now.wall_ms.saturating_add(drift);
        if ahead {
            let ahead_ms = batch.hlc.ms() - now.wall_ms;
            self.scopes.events.push(Event::FutureTime { peer, ahead_ms });
            if !rules.holds(Rule::ClockDecides) {
                return;
            }
        }
        let drift = if rules.holds(Rule::FutureAbsorbed) { drift } else { u64::MAX };
        self.clock.observe(batch.hlc, now.wall_ms, drift);
        let actor = self.scopes.actor;
        let Some(replica) = self.scopes.get_or_create(scope) else { return };
        let forged = batch.actor == actor && batch.last() > replica.context().top(actor);
        if matches!(replica.apply(batch, peer, now.time), Applied::New | Applied::Waiting) {
            self.scopes.touched.insert(scope.clone());
        }
        self.counters.own_from_elsewhere += u64::from(forged);
        self.scopes.forked |= forged;
    }

    fn relay_ping(&mut self, asker: NodeId, nonce: u64, target: NodeId, now: Now, fx: &mut Vec<Effect>) {
        self.relayed.retain(|_, (_, _, since)| now.time.ms_since(*since) < 5_000);
        if self.links.of(target).is_none() || self.relayed.len() >= RELAYED_MAX {
            return;
        }
        let own = self.next_relay;
        self.next_relay += 1;
        self.relayed.insert(own, (asker, nonce, now.time));
        let beat = self.beat(own, now);
        self.send(target, Lane::Urgent, &Message::Ping(beat), fx);
    }

    fn on_pong(&mut self, peer: NodeId, beat: Beat, now: Now, fx: &mut Vec<Effect>) {
        self.note_beat(peer, beat, now);
        match self.relayed.remove(&beat.nonce) {
            Some((asker, nonce, _)) => {
                self.send(asker, Lane::Urgent, &Message::PingVouch { nonce, target: peer }, fx);
            }
            None => self.liveness.answered(peer, beat.nonce, now.time),
        }
    }

    fn note_beat(&mut self, peer: NodeId, beat: Beat, now: Now) {
        let offset = i64::try_from(i128::from(beat.wall_ms) - i128::from(now.wall_ms));
        self.offsets_ms.insert(peer, offset.unwrap_or(i64::MAX));
        self.digests.insert(peer, Digest(beat.digest));
    }

    pub(super) fn beat(&self, nonce: u64, now: Now) -> Beat {
        Beat { nonce, wall_ms: now.wall_ms, digest: self.digest().0 }
    }
}
