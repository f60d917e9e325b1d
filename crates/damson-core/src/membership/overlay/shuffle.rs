//! Shuffles: passive views are mixed, so that they stay fresh and random.

use damson_crdt::NodeId;
use rand_core::Rng;

use super::{Aged, Overlay, OverlayEffect, is_dialable, pick};
use crate::time::Time;
use crate::wire::OverlayMessage;

/// Most entries of a sample that are looked at.
const SAMPLE_MAX: usize = 64;
/// Own shuffles that may be without an answer.
const PENDING_MAX: usize = 4;

impl Overlay {
    pub(super) fn shuffle_if_due(&mut self, now: Time, fx: &mut Vec<OverlayEffect>) {
        if now < self.next_shuffle {
            return;
        }
        let pause = self.config.shuffle_ms;
        self.next_shuffle = now.plus_ms(self.jittered(pause));
        self.passive.grow_older();
        let Some(first) = self.random_neighbor(&[]) else { return };
        let token = self.rng.next_u64() >> 1;
        let passive = self.passive.sample(self.config.shuffle_passive, &mut self.rng);
        let neighbors = self.active.values().filter(|other| other.id != first).cloned().collect();
        let neighbors = pick(neighbors, self.config.shuffle_active, &mut self.rng);
        let fresh = [self.own.clone()].into_iter().chain(neighbors).map(|contact| Aged { contact, age: 0 });
        if self.shuffles.len() >= PENDING_MAX {
            self.shuffles.pop_front();
        }
        self.shuffles.push_back((token, passive.iter().map(|entry| entry.contact.id).collect()));
        let sample = fresh.chain(passive).collect();
        fx.push(OverlayEffect::Send(
            first,
            OverlayMessage::Shuffle { token, ttl: self.config.active_walk, sample },
        ));
    }

    pub(super) fn on_shuffle(
        &mut self,
        from: NodeId,
        token: u64,
        ttl: u8,
        sample: Vec<Aged>,
        fx: &mut Vec<OverlayEffect>,
    ) {
        let sample = believed(sample);
        let ttl = ttl.min(self.config.active_walk);
        let next = self.random_neighbor(&[from]).filter(|_| ttl > 0);
        if let Some(next) = next {
            if self.routes.len() >= self.config.routes_max {
                self.routes.pop_front();
            }
            self.routes.push_back((token, from));
            fx.push(OverlayEffect::Send(next, OverlayMessage::Shuffle { token, ttl: ttl - 1, sample }));
            return;
        }
        let answer = self.passive.sample(sample.len(), &mut self.rng);
        let named: Vec<NodeId> = answer.iter().map(|entry| entry.contact.id).collect();
        fx.push(OverlayEffect::Send(from, OverlayMessage::ShuffleReply { token, sample: answer }));
        self.integrate(sample, &named);
    }

    pub(super) fn on_shuffle_reply(&mut self, token: u64, sample: Vec<Aged>, fx: &mut Vec<OverlayEffect>) {
        let sample = believed(sample);
        if let Some(at) = self.shuffles.iter().position(|(own, _)| *own == token) {
            let (_, named) = self.shuffles.remove(at).expect("found there");
            self.integrate(sample, &named);
        } else if let Some(at) = self.routes.iter().rposition(|(route, _)| *route == token) {
            let (_, back) = self.routes.remove(at).expect("found there");
            if self.open.contains_key(&back) {
                fx.push(OverlayEffect::Send(back, OverlayMessage::ShuffleReply { token, sample }));
            }
        } else {
            self.counters.refused += 1;
        }
    }

    fn integrate(&mut self, sample: Vec<Aged>, named: &[NodeId]) {
        for entry in sample {
            self.remember_instead(entry, named);
        }
    }

    /// A pause that differs by up to a quarter in both directions.
    pub(super) fn jittered(&mut self, ms: u64) -> u64 {
        ms * 3 / 4 + self.rng.next_u64() % (ms / 2).max(1)
    }
}

/// What of a sample is kept or passed on.
fn believed(mut sample: Vec<Aged>) -> Vec<Aged> {
    sample.truncate(SAMPLE_MAX);
    sample.retain(|entry| is_dialable(&entry.contact));
    sample
}
