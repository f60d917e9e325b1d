//! Casts: opaque messages on a tag, from one process to every node that listens.
//!
//! A cast is no state. It is spread as operations are ([`crate::broadcast`]: trees, announcements, requests), but no
//! replica remembers it, and no comparison brings it later. So a stream of casts is named by the *process* that sends it,
//! its node and the number drawn at its start, and numbered from 1 without gaps: that tells what is new, what came twice,
//! and what is missing. What is missing is asked for; what nobody can give any more is told to those who listen.
//!
//! ```text
//!   Cast --> take_in --> new: told to listeners, passed on | known: a correction to the sender
//!                    `-> a gap: asked for --> nobody has it: give_up --> told as lost
//! ```
//!
//! A node that does not listen to a tag passes its casts on all the same, and keeps count. Names of these streams for the
//! broadcast are scopes of the system that begin with [`Tag::PREFIX`] and have no replica anywhere.

mod cast;
mod stream;

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::{Actor, NodeId};

use crate::scope::ScopeName;
use crate::time::Time;
use crate::wire::{Have, Want};

pub use cast::{CAST_BYTES_MAX, Cast, Tag};

use cast::{NUMBER_MAX, first_tag};
use stream::Stream;

/// Tags on which one process may cast, and streams that are remembered of one member: 1,024.
pub const TAGS_MAX: usize = 1_024;
/// Streams that are remembered of all members together.
const STREAMS_MAX: usize = 65_536;
/// Announcements further ahead than this of what has come are not believed.
const AHEAD_MAX: u64 = 1 << 20;
/// How long a node counts as new after it has found its first neighbour, in milliseconds.
const NEW_MS: u64 = 2_000;
/// A stream that was silent for this long is not announced to new neighbours, in milliseconds.
const ANNOUNCED_MS: u64 = 600_000;
/// The stream of an earlier process is forgotten when it was silent for this long, in milliseconds: until then something of
/// it may be on its way.
const EARLIER_MS: u64 = 120_000;
/// Of so many streams the one that was silent longest makes room.
const SAMPLE: usize = 64;

/// A cast that was not sent. Nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CastError {
    /// The body is too long.
    #[error("a message of {got} bytes, the limit is {limit}")]
    TooLarge {
        /// Its length in bytes.
        got: usize,
        /// The longest permitted.
        limit: usize,
    },
    /// This process has cast on too many tags.
    #[error("the limit of {limit} tags that one process may send on is reached")]
    TooManyTags {
        /// The limit.
        limit: usize,
    },
}

/// What happened with casts, counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CastCounters {
    /// Own ones.
    pub sent: u64,
    /// Those of others that were new here.
    pub received: u64,
    /// Those that came again.
    pub duplicates: u64,
    /// Those that nobody could give any more, whether somebody listened or not.
    pub lost: u64,
    /// Those that could not be believed, announcements included.
    pub refused: u64,
    /// Requests to a neighbour for what had not come of one stream, each asked again when it was not answered.
    pub asked: u64,
}

/// What became of a cast that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Taken {
    /// It is new. So many pieces are missing in its stream that these are given up.
    New { lost: Vec<(u64, u64)> },
    /// It came before.
    Known,
    /// It cannot be.
    Refused,
}

/// What a node knows of casts.
#[derive(Debug)]
pub(crate) struct Casts {
    own: Actor,
    sent: BTreeMap<Tag, u64>,
    streams: BTreeMap<(Actor, Tag), Stream>,
    listened: BTreeSet<Tag>,
    /// Until when we are new, once there was a neighbour.
    new_until: Option<Time>,
    /// Streams were forgotten for want of room: one that is unknown need not be new.
    forgets: bool,
    counters: CastCounters,
}

impl Casts {
    /// Of a process: its node and the number drawn at its start.
    pub fn new(own: Actor) -> Self {
        Self {
            own,
            sent: BTreeMap::new(),
            streams: BTreeMap::new(),
            listened: BTreeSet::new(),
            new_until: None,
            forgets: false,
            counters: CastCounters::default(),
        }
    }

    pub fn own(&self) -> Actor {
        self.own
    }

    pub fn counters(&self) -> CastCounters {
        self.counters
    }

    /// A neighbour is asked for these, casts or not.
    pub fn count_asked(&mut self, wants: &[Want]) {
        self.counters.asked += wants.iter().filter(|want| want.scope.is_cast()).count() as u64;
    }

    /// The number of our next cast on a tag.
    pub fn next(&mut self, tag: &Tag) -> Result<u64, CastError> {
        if self.sent.len() >= TAGS_MAX && !self.sent.contains_key(tag) {
            return Err(CastError::TooManyTags { limit: TAGS_MAX });
        }
        let number = self.sent.entry(tag.clone()).or_default();
        *number += 1;
        self.counters.sent += 1;
        Ok(*number)
    }

    pub fn is_listened(&self, tag: &Tag) -> bool {
        self.listened.contains(tag)
    }

    /// From now on casts on this tag are told, or no longer. What was missing before now is nothing to the listener.
    pub fn listen(&mut self, tag: Tag, on: bool) {
        if !on {
            self.listened.remove(&tag);
        } else if self.listened.insert(tag.clone()) {
            let on_tag = self.streams.iter_mut().filter(|((_, of), _)| *of == tag);
            on_tag.for_each(|(_, stream)| stream.begin_here());
        }
    }

    /// There is a neighbour: who was alone is new now.
    pub fn neighbor_up(&mut self, now: Time) {
        self.new_until.get_or_insert(now.plus_ms(NEW_MS));
    }

    /// Takes in what came.
    pub fn take_in(&mut self, tag: &Tag, from: Actor, number: u64, now: Time) -> Taken {
        if from == self.own {
            let known = self.sent.get(tag).is_some_and(|sent| number <= *sent);
            self.counters.duplicates += u64::from(known);
            self.counters.refused += u64::from(!known);
            return if known { Taken::Known } else { Taken::Refused };
        }
        let stream = self.meet(tag, from, number, now);
        stream.heard = now;
        if !stream.take(number) {
            self.counters.duplicates += 1;
            return Taken::Known;
        }
        let lost = stream.close_oldest();
        self.counters.received += 1;
        self.count_lost(&lost);
        Taken::New { lost }
    }

    /// A new neighbour says how far streams have come. Who is new has no part in what was before.
    pub fn begin_at(&mut self, tops: &[Have], now: Time) {
        for top in tops.iter().filter(|top| top.last <= NUMBER_MAX) {
            let Some(tag) = Tag::of(&top.scope).filter(|_| top.actor != self.own && self.is_new(now)) else {
                continue;
            };
            let key = (top.actor, tag);
            if !self.streams.contains_key(&key) {
                self.make_room(&key, now);
                self.streams.insert(key, Stream::new(top.last, top.last, now));
            }
        }
    }

    /// Others announce: streams that were not known are from now on.
    pub fn announced(&mut self, haves: &[Have], now: Time) {
        for have in haves {
            let Some(tag) = Tag::of(&have.scope).filter(|_| have.actor != self.own) else { continue };
            if have.last == 0 || have.last > NUMBER_MAX {
                self.counters.refused += 1;
                continue;
            }
            let ahead = have.last.saturating_sub(self.meet(&tag, have.actor, have.last, now).top());
            self.counters.refused += u64::from(ahead > AHEAD_MAX);
        }
    }

    /// The first that is missing up to a number and was not given up.
    pub fn first_missing(&self, scope: &ScopeName, from: Actor, last: u64) -> Option<u64> {
        let stream = self.streams.get(&(from, Tag::of(scope)?))?;
        let first = stream.first_missing();
        let believed = last <= NUMBER_MAX && last.saturating_sub(stream.top()) <= AHEAD_MAX;
        (believed && first <= last).then_some(first)
    }

    /// Nobody gives the first that is missing: up to the next that came, or to `last`, they are lost. Returns those that are to
    /// be told.
    pub fn give_up(&mut self, tag: &Tag, from: Actor, last: u64) -> Option<(u64, u64)> {
        let lost = self.streams.get_mut(&(from, tag.clone()))?.give_up(last)?;
        self.count_lost(&[lost]);
        Some(lost)
    }

    /// The greatest numbers of the streams that were heard of late, for new neighbours.
    pub fn tops(&self, now: Time) -> Vec<Have> {
        let have = |tag: &Tag, actor, last| Have { scope: tag.scope().clone(), actor, last };
        let own = self.sent.iter().map(|(tag, last)| have(tag, self.own, *last));
        let of_late = |stream: &Stream| stream.newest() > 0 && now.ms_since(stream.heard) <= ANNOUNCED_MS;
        let others = self.streams.iter().filter(|(_, stream)| of_late(stream));
        own.chain(others.map(|((actor, tag), stream)| have(tag, *actor, stream.newest()))).collect()
    }

    fn is_new(&self, now: Time) -> bool {
        self.new_until.is_none_or(|until| now < until)
    }

    fn count_lost(&mut self, lost: &[(u64, u64)]) {
        self.counters.lost += lost.iter().map(|(first, last)| last - first + 1).sum::<u64>();
    }

    /// The stream, remembered from now on. `number` is the first that was heard of.
    fn meet(&mut self, tag: &Tag, from: Actor, number: u64, now: Time) -> &mut Stream {
        let key = (from, tag.clone());
        if !self.streams.contains_key(&key) {
            self.make_room(&key, now);
            // It is asked for from its beginning. What of that is not to be had may be older than we are.
            let quiet = if self.forgets || self.is_new(now) { number } else { 0 };
            self.streams.insert(key.clone(), Stream::new(0, quiet, now));
        }
        self.streams.get_mut(&key).expect("inserted above")
    }

    /// Forgets streams of earlier processes of the node; then, where there are too many, the most silent.
    fn make_room(&mut self, key: &(Actor, Tag), now: Time) {
        let of_node =
            self.streams.range(first_of(key.0.node)..).take_while(|((a, _), _)| a.node == key.0.node);
        let all: Vec<(Time, (Actor, Tag))> =
            of_node.map(|(key, stream)| (stream.heard, key.clone())).collect();
        let earlier = |(heard, (actor, tag)): &&(Time, (Actor, Tag))| {
            *tag == key.1 && *actor != key.0 && now.ms_since(*heard) > EARLIER_MS
        };
        all.iter().filter(earlier).for_each(|(_, key)| _ = self.streams.remove(key));
        let victim = if all.len() >= TAGS_MAX {
            all.into_iter().min()
        } else if self.streams.len() >= STREAMS_MAX {
            let next = self.streams.range(key.clone()..).chain(&self.streams).take(SAMPLE);
            next.map(|(key, stream)| (stream.heard, key.clone())).min()
        } else {
            None
        };
        if let Some((_, victim)) = victim {
            self.streams.remove(&victim);
            self.forgets = true;
        }
    }
}

/// Where the streams of a node begin.
fn first_of(node: NodeId) -> (Actor, Tag) {
    (Actor::new(node, damson_crdt::Life(0)), first_tag())
}

#[cfg(test)]
mod tests;
