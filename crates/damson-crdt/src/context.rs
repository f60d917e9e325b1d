//! Causal contexts: which dots were ever seen.

use std::collections::BTreeMap;

use crate::dot::{Dot, DotRange, Kills};
use crate::id::Actor;
use crate::intervals::Intervals;

/// For each actor the numbers seen. Also used for any other set of dots, such as a floor.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Context(BTreeMap<Actor, Intervals>);

impl Context {
    /// True when no dot was seen.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many actors have a dot in it.
    pub fn actors(&self) -> usize {
        self.0.len()
    }

    /// How many dots are in it; no more than fit into the number, whatever a peer may claim.
    pub fn dots(&self) -> u64 {
        self.0.values().map(Intervals::len).fold(0, u64::saturating_add)
    }

    /// Actors in order, with the numbers seen of each.
    pub fn iter(&self) -> impl Iterator<Item = (Actor, &Intervals)> {
        self.0.iter().map(|(actor, seen)| (*actor, seen))
    }

    /// The numbers seen of one actor.
    pub fn of(&self, actor: Actor) -> Option<&Intervals> {
        self.0.get(&actor)
    }

    /// The greatest number seen of one actor, 0 when none.
    pub fn top(&self, actor: Actor) -> u64 {
        self.0.get(&actor).map_or(0, Intervals::max)
    }

    /// Was this dot seen?
    pub fn contains(&self, dot: Dot) -> bool {
        self.0.get(&dot.actor).is_some_and(|seen| seen.contains(dot.seq))
    }

    /// Were all dots of this range seen?
    pub fn contains_range(&self, range: DotRange) -> bool {
        self.0.get(&range.actor).is_some_and(|seen| seen.contains_range(range.first, range.last))
    }

    /// Were all these dots seen?
    pub fn covers(&self, kills: &Kills) -> bool {
        kills.ranges().iter().all(|range| self.contains_range(*range))
    }

    /// Adds a dot.
    pub fn insert(&mut self, dot: Dot) {
        self.insert_range(DotRange { actor: dot.actor, first: dot.seq, last: dot.seq });
    }

    /// Adds a range of dots.
    pub fn insert_range(&mut self, range: DotRange) {
        match self.0.get_mut(&range.actor) {
            Some(seen) => seen.insert(range.first, range.last),
            None => self.set(range.actor, Intervals::of(range.first, range.last)),
        }
    }

    /// Sets what was seen of one actor; an empty set removes it.
    pub fn set(&mut self, actor: Actor, seen: Intervals) {
        if seen.is_empty() {
            self.0.remove(&actor);
        } else {
            self.0.insert(actor, seen);
        }
    }

    /// Adds all of another set of dots.
    pub fn union(&mut self, other: &Self) {
        for (actor, seen) in &other.0 {
            self.0.entry(*actor).or_default().union(seen);
        }
    }

    /// What is here and not there.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        self.combine(|actor, mine| {
            other.0.get(&actor).map_or_else(|| mine.clone(), |theirs| mine.minus(theirs))
        })
    }

    /// What is both here and there.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        self.combine(|actor, mine| {
            other.0.get(&actor).map_or_else(Intervals::default, |t| mine.intersection(t))
        })
    }

    /// Has it a dot in common with the other?
    pub fn meets(&self, other: &Self) -> bool {
        self.0
            .iter()
            .any(|(actor, mine)| other.0.get(actor).is_some_and(|t| !mine.intersection(t).is_empty()))
    }

    fn combine(&self, keep: impl Fn(Actor, &Intervals) -> Intervals) -> Self {
        let kept = self.0.iter().map(|(actor, mine)| (*actor, keep(*actor, mine)));
        Self(kept.filter(|(_, seen)| !seen.is_empty()).collect())
    }
}

impl FromIterator<Dot> for Context {
    fn from_iter<I: IntoIterator<Item = Dot>>(dots: I) -> Self {
        let mut out = Self::default();
        dots.into_iter().for_each(|dot| out.insert(dot));
        out
    }
}
