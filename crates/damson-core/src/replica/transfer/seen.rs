//! What a receiver has seen, where that names many actors: told by what differs from what the source has seen.
//!
//! Nearly all entries of two contexts are equal. So the receiver sends coded symbols of the set of its entries
//! ([`crate::sketch`]); the source finds out which differ, asks for those, and takes its own for the others. That costs a
//! round trip, and as much as has changed, however many actors there are.

use std::collections::BTreeSet;

use damson_crdt::{Actor, Context, Intervals, NodeId};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Answer, Chunk, Demand, Question, Request, Seen, Summary, TransferError, name_of};
use crate::replica::Replica;
use crate::sketch::{Decoder, Key, Run, first_batch, next_batch};

/// A request whose context is not known yet.
#[derive(Debug)]
pub(in crate::replica) struct Opening {
    peer: NodeId,
    /// Without what was seen.
    request: Request,
    summary: Summary,
    /// What we had seen when it came.
    ours: Context,
    decoder: Decoder,
    asked: Question,
}

/// What comes of a question.
pub(super) enum Outcome {
    /// Another question.
    Asks(Chunk),
    /// What was asked for first, in full.
    Known(NodeId, Request),
}

/// Questions that a receiver answers: far more than an honest source needs.
const QUESTIONS_MAX: u32 = 16;

impl Replica {
    /// How to tell what we have seen.
    pub(super) fn tell_seen(&self) -> Seen {
        if self.context.actors() <= self.config.whole_actors_max || self.key_name() == 0 {
            return Seen::Whole(self.context.clone());
        }
        let symbols = 0..first_batch(None);
        let run = Run::of(symbols, self.live.sketch_key(), items_of(&self.context, self.live.sketch_key()));
        Seen::Summary(Summary { name: name_of(&self.context), symbols: encoded(&run) })
    }

    /// A request came with a summary of what was seen.
    pub(super) fn begin_opening(&self, peer: NodeId, request: Request, summary: Summary) -> Opening {
        let mut opening = Opening {
            peer,
            decoder: Decoder::new(self.live.sketch_key(), self.context.actors()),
            ours: self.context.clone(),
            asked: Question::Whole,
            request,
            summary,
        };
        let symbols = std::mem::take(&mut opening.summary.symbols);
        if self.key_name() != 0 && self.key_name() == opening.request.sketch_key {
            opening.asked = opening.look_into(first_batch(None), &symbols, self.live.sketch_key());
        }
        opening
    }

    /// The receiver's answer to a question of ours, told to ask for the next part. `None` when it is none.
    pub(super) fn go_on_opening(
        &self,
        mut opening: Opening,
        demand: Option<&Demand>,
    ) -> Option<(Outcome, Option<Opening>)> {
        let answer = match demand {
            None => None,
            Some(Demand::Seen(answer)) => Some(answer),
            Some(_) => return None,
        };
        let known = match (&opening.asked, answer) {
            (Question::Entries { items, actors }, None) if items.is_empty() && actors.is_empty() => {
                opening.with_entries(&Context::default())
            }
            (_, None) => None,
            (Question::Entries { .. }, Some(Answer::Entries(told))) => opening.with_entries(told),
            (Question::Whole | Question::Symbols(_), Some(Answer::Entries(told))) => Some(told.clone()),
            (Question::Symbols(more), Some(Answer::Symbols(bytes))) => {
                opening.asked = opening.look_into(*more, bytes, self.live.sketch_key());
                None
            }
            _ => return None,
        };
        if let Some(seen) = known {
            let request = Request { seen: Seen::Whole(seen), ..opening.request };
            return Some((Outcome::Known(opening.peer, request), None));
        }
        if matches!((&opening.asked, answer), (Question::Entries { .. }, Some(Answer::Entries(_)))) {
            // What was found was no difference.
            opening.asked = Question::Whole;
        }
        let asks = Some(opening.asked.clone());
        Some((Outcome::Asks(Chunk { asks, ..Chunk::default() }), Some(opening)))
    }

    /// Answers a question about what we had seen.
    pub(super) fn answer_seen(
        &self,
        seen: &Context,
        answered: &mut (u32, u32),
        question: &Question,
    ) -> Result<Answer, TransferError> {
        let (questions, shown) = answered;
        *questions += 1;
        let key = self.live.sketch_key();
        match question {
            _ if *questions > QUESTIONS_MAX => Err(TransferError::Questions),
            Question::Symbols(more) => {
                let begin = first_batch(None) + *shown;
                let end = begin.checked_add(*more).filter(|end| *end as usize <= symbols_max(seen));
                // With so many all of it costs hardly more.
                let Some(end) = end else { return Ok(Answer::Entries(seen.clone())) };
                *shown += more;
                Ok(Answer::Symbols(encoded(&Run::of(begin..end, key, items_of(seen, key)))))
            }
            Question::Entries { items, actors } => {
                let mut told = Context::default();
                let is_asked = |actor: Actor, entry: &Intervals| {
                    actors.binary_search(&actor).is_ok()
                        || items.binary_search(&item_of(actor, entry, key)).is_ok()
                };
                let asked = seen.iter().filter(|(actor, entry)| is_asked(*actor, entry));
                asked.for_each(|(actor, entry)| told.set(actor, entry.clone()));
                Ok(Answer::Entries(told))
            }
            Question::Whole => Ok(Answer::Entries(seen.clone())),
        }
    }
}

impl Opening {
    /// Takes more symbols. What to ask next.
    fn look_into(&mut self, len: u32, bytes: &[u8], key: Key) -> Question {
        let begin = self.decoder.received();
        let Ok(theirs) = Run::decode(begin..begin + len, bytes) else { return Question::Whole };
        let ours = Run::of(theirs.range(), key, items_of(&self.ours, key));
        match self.decoder.push(&ours, &theirs) {
            Ok(true) => self.entries(key),
            Ok(false) => {
                let more = next_batch(self.decoder.received(), self.decoder.estimate());
                let all = self.decoder.received() as usize + more as usize;
                if all <= symbols_max(&self.ours) { Question::Symbols(more) } else { Question::Whole }
            }
            Err(_) => Question::Whole,
        }
    }

    /// Entries that only one of us has: ours are asked for by their actors, theirs by what is known of them.
    fn entries(&self, key: Key) -> Question {
        let all = self.decoder.differences();
        let is_ours = |(actor, entry): &(Actor, &Intervals)| all.binary_search(&item_of(*actor, entry, key));
        let ours: Vec<(usize, Actor)> =
            self.ours.iter().filter_map(|pair| is_ours(&pair).ok().map(|at| (at, pair.0))).collect();
        let known: BTreeSet<usize> = ours.iter().map(|(at, _)| *at).collect();
        let theirs = all.iter().enumerate().filter(|(at, _)| !known.contains(at));
        Question::Entries {
            items: theirs.map(|(_, item)| *item).collect(),
            actors: ours.into_iter().map(|(_, actor)| actor).collect(),
        }
    }

    /// What the receiver has seen, if these are the entries in which it differs.
    fn with_entries(&self, told: &Context) -> Option<Context> {
        let Question::Entries { actors, .. } = &self.asked else { return None };
        let mut seen = self.ours.clone();
        actors.iter().for_each(|actor| seen.set(*actor, Intervals::default()));
        told.iter().for_each(|(actor, entry)| seen.set(actor, entry.clone()));
        (name_of(&seen) == self.summary.name).then_some(seen)
    }
}

/// With more symbols than this all entries cost hardly more: an entry takes about three symbols.
fn symbols_max(seen: &Context) -> usize {
    first_batch(None) as usize + 2 * seen.actors()
}

fn items_of(seen: &Context, key: Key) -> impl Iterator<Item = u64> {
    seen.iter().map(move |(actor, entry)| item_of(actor, entry, key))
}

fn item_of(actor: Actor, entry: &Intervals, key: Key) -> u64 {
    let mut bytes = actor.to_bytes().to_vec();
    for (first, last) in entry.pairs() {
        bytes.extend_from_slice(&first.to_be_bytes());
        bytes.extend_from_slice(&last.to_be_bytes());
    }
    xxh3_64_with_seed(&bytes, key.0)
}

fn encoded(run: &Run) -> Vec<u8> {
    let mut bytes = Vec::new();
    run.encode(&mut bytes);
    bytes
}
