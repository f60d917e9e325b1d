//! Which neighbours may become parents: the feasibility condition of loop-free distance vectors.
//!
//! A neighbour that says a distance below the least that we said lately cannot have it from us (J. J.
//! Garcia-Luna-Aceves, "Loop-free routing using diffusing computations", IEEE/ACM ToN 1993, source node condition). That
//! least distance is the *floor*. While a distance falls it is the distance; after it rose, the old one stays the floor
//! until those who had it from us have heard of the rise. Diffusing computations wait for an answer from each; we wait
//! for a time that follows the measured delays, and nobody has to answer. Should it be too short, a loop counts up to the
//! greatest distance; payloads come by announcements meanwhile.

use std::collections::VecDeque;

use super::distance::{Distance, UNKNOWN};
use super::slots::SlotSet;
use crate::time::Time;

/// No floor but the distance itself.
const FREE: Distance = Distance::MAX;
/// So many links on, whoever had a distance from us has heard that it rose.
const LINKS: u64 = 10;

#[derive(Debug, Default)]
pub(super) struct Floors {
    of: Vec<Distance>,
    /// When floors are lifted, in this order.
    lifts: VecDeque<(Time, u32)>,
    /// Risen just now.
    risen: Vec<u32>,
    /// Risen again while the floor was held.
    again: SlotSet,
}

impl Floors {
    pub fn resize(&mut self, len: usize) {
        self.of.resize(len, FREE);
    }

    /// A neighbour must say less than this to become the parent.
    pub fn of(&self, slot: usize, distance: Distance) -> Distance {
        if self.is_held(slot) { self.of[slot] } else { distance }
    }

    /// Does what we said lately still restrict whom we choose?
    pub fn is_held(&self, slot: usize) -> bool {
        self.of[slot] != FREE
    }

    /// Our distance has changed.
    pub fn changed(&mut self, slot: usize, old: Distance, new: Distance) {
        if self.is_held(slot) {
            self.of[slot] = self.of[slot].min(new);
            if new > old {
                self.again.insert(slot);
            }
        } else if new > old {
            self.of[slot] = old;
            self.risen.push(u32::try_from(slot).expect("fewer than 2^32 sources"));
        }
    }

    /// Plans when the floors of what has just risen are lifted.
    pub fn schedule(&mut self, now: Time, hold_ms: u64, delay_ms_max: u16) {
        let at = now.plus_ms(LINKS * (hold_ms + u64::from(delay_ms_max)));
        self.lifts.extend(self.risen.drain(..).map(|slot| (at, slot)));
    }

    pub fn deadline(&self) -> Time {
        self.lifts.front().map_or(Time(u64::MAX), |(at, _)| *at)
    }

    /// Lifts a floor that is due.
    pub fn lift(&mut self, now: Time) -> Option<usize> {
        while self.deadline() <= now {
            let (_, slot) = self.lifts.pop_front().expect("it has a deadline");
            let slot = slot as usize;
            if self.again.remove(slot) {
                self.risen.push(u32::try_from(slot).expect("fewer than 2^32 sources"));
            } else {
                self.of[slot] = FREE;
                return Some(slot);
            }
        }
        None
    }
}

/// Where nothing is known any neighbour will do.
const _: () = assert!(UNKNOWN < FREE);
