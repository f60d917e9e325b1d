//! Whom to dial, and when: every member that is not linked, and every contact that has not answered, for ever.
//!
//! Of two members the one with the smaller id dials first; the other waits a moment, so that pairs seldom get two links.
//! Failures back off to a few seconds, never to nothing: a partition of any length ends by itself.

use std::collections::BTreeMap;

use rand_chacha::ChaCha8Rng;
use rand_core::Rng;

use crate::time::Time;

/// Timing of dials, and bounds of discovered contacts.
#[derive(Debug, Clone)]
pub struct DialConfig {
    /// The first retry, in milliseconds. Default 100.
    pub backoff_ms_min: u64,
    /// The longest pause between retries, in milliseconds. Default 2,000: how long a healed partition may go unnoticed.
    pub backoff_ms_max: u64,
    /// How long the one with the greater id waits for the other to dial, in milliseconds. Default 300.
    pub courtesy_ms: u64,
    /// Most discovered contacts. Default 4,096: four names or files of a thousand.
    pub contacts_max: usize,
    /// Discovered contacts that are dialled at once. Default 16: some that are gone do not hold up a join, and a large
    /// cluster that starts as a whole is not dialled by each of its nodes as a whole.
    pub contacts_at_once: usize,
}

/// The state of all dials, by address.
#[derive(Debug)]
pub(super) struct Dialer {
    config: DialConfig,
    rng: ChaCha8Rng,
    attempts: BTreeMap<String, Attempt>,
    /// When the first of them is due.
    next: Time,
}

#[derive(Debug)]
struct Attempt {
    next: Time,
    backoff_ms: u64,
    under_way: bool,
    wanted: bool,
    /// Wanted once, when its pause is over.
    once: bool,
    /// When it was last dialled: an address that fails again soon keeps its pause.
    dialed: Time,
}

impl Default for DialConfig {
    fn default() -> Self {
        Self {
            backoff_ms_min: 100,
            backoff_ms_max: 2_000,
            courtesy_ms: 300,
            contacts_max: 4_096,
            contacts_at_once: 16,
        }
    }
}

/// An address whose pause has grown to so many times the first one is not dialled out of turn.
const PATIENT: u64 = 4;
/// How long an address that is not wanted any more is remembered, with its pause, in milliseconds.
const REMEMBER_MS: u64 = 10_000;
/// The pause before an address that led to ourselves is tried again, in milliseconds: a name may lead elsewhere then.
const OURSELVES_MS: u64 = 30_000;

impl Dialer {
    pub fn new(config: DialConfig, rng: ChaCha8Rng) -> Self {
        Self { config, rng, attempts: BTreeMap::new(), next: Time(u64::MAX) }
    }

    /// Of the wanted addresses (each with whether we should let the other dial first) those to dial now.
    pub fn due(&mut self, now: Time, wanted: &BTreeMap<String, bool>) -> Vec<String> {
        self.attempts.retain(|address, attempt| {
            attempt.wanted = wanted.contains_key(address);
            attempt.wanted || attempt.once || attempt.under_way || now.ms_since(attempt.dialed) < REMEMBER_MS
        });
        for (address, wait) in wanted {
            let next = if *wait { now.plus_ms(self.config.courtesy_ms) } else { now };
            self.attempts.entry(address.clone()).or_insert(Attempt {
                next,
                backoff_ms: self.config.backoff_ms_min,
                under_way: false,
                wanted: true,
                once: false,
                dialed: Time::default(),
            });
        }
        let mut due = Vec::new();
        for (address, attempt) in self.attempts.iter_mut().filter(|(_, attempt)| attempt.is_open()) {
            if attempt.next <= now {
                attempt.under_way = true;
                attempt.once = false;
                attempt.dialed = now;
                due.push(address.clone());
            }
        }
        self.look_ahead();
        due
    }

    /// Somebody needs this address now, once. False when it is being dialled already, or has failed several times of late:
    /// then it is dialled when its pause is over.
    pub fn dial_now(&mut self, address: &str, now: Time) -> bool {
        let backoff_ms = self.config.backoff_ms_min;
        let attempt = self.attempts.entry(address.to_string()).or_insert(Attempt {
            next: now,
            backoff_ms,
            under_way: false,
            wanted: false,
            once: false,
            dialed: now,
        });
        if attempt.under_way {
            return false;
        }
        attempt.once = attempt.next > now && attempt.backoff_ms >= backoff_ms * PATIENT;
        attempt.dialed = now;
        attempt.under_way = !attempt.once;
        let dials = attempt.under_way;
        self.look_ahead();
        dials
    }

    /// A dial has failed, or its link was closed before it was of use.
    pub fn failed(&mut self, address: &str, now: Time) {
        let spread = self.rng.next_u64() % 100;
        if let Some(attempt) = self.attempts.get_mut(address) {
            attempt.under_way = false;
            attempt.next = attempt.next.max(now.plus_ms(attempt.backoff_ms * (75 + spread / 2) / 100));
            attempt.backoff_ms = (attempt.backoff_ms * 2).min(self.config.backoff_ms_max);
        }
        self.look_ahead();
    }

    /// Was the last that came of dialling it a failure, or a link that is no more?
    pub fn has_failed(&self, address: &str) -> bool {
        self.attempts.get(address).is_some_and(|attempt| attempt.backoff_ms > self.config.backoff_ms_min)
    }

    /// A dial has led to an open link. Should that not live long, the next dial waits as after a failure.
    pub fn succeeded(&mut self, address: &str, now: Time) {
        self.failed(address, now);
    }

    /// An address leads back to us.
    pub fn is_ourselves(&mut self, address: &str, now: Time) {
        if let Some(attempt) = self.attempts.get_mut(address) {
            attempt.under_way = false;
            attempt.next = now.plus_ms(OURSELVES_MS);
        }
        self.look_ahead();
    }

    pub fn deadline(&self) -> Time {
        self.next
    }

    /// Dials change seldom, and the deadline is asked for with each input.
    fn look_ahead(&mut self) {
        let open = self.attempts.values().filter(|attempt| attempt.is_open());
        self.next = open.map(|attempt| attempt.next).min().unwrap_or(Time(u64::MAX));
    }
}

impl Attempt {
    fn is_open(&self) -> bool {
        (self.wanted || self.once) && !self.under_way
    }
}
