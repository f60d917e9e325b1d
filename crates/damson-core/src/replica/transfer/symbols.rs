//! Looking for the difference: symbols from the source, until the receiver can tell the items that only one of them has.
//!
//! The source knows from the contexts about how many live dots the receiver cannot have, which is nearly all of the
//! difference unless much was removed; so the first symbols mostly are enough. It checks the result: without what only it
//! had, its fingerprint has to be that of the receiver without what only that had.

use damson_crdt::{Context, DotRange, NodeId};

use super::source::Outbound;
use super::{Demand, Extent, Request, Symbols};
use crate::replica::Replica;
use crate::replica::compare::{Comparison, keys_of};
use crate::replica::live::KEY_BITS;
use crate::sketch::{Run, batch_by_gauge, first_batch, next_batch};

/// A receiver with fewer live dots than this part of ours takes all of them.
pub(super) const LIVE_SHARE_MIN: u64 = 8;
/// Symbols that are always worth a try.
const SYMBOLS_MIN: u32 = 1_024;
/// The first symbols are at most for so many differences: more would be a waste if contexts tell more than there is.
const HINT_MAX: u64 = 1 << 13;

impl Replica {
    pub(super) fn open_below_floor(
        &mut self,
        peer: NodeId,
        request: &Request,
        seen: Context,
        missing: &Context,
    ) -> Outbound {
        let ours = self.live.dots() as u64;
        let mut outbound = Outbound::new(peer, seen, Extent::Differing);
        if self.key_name() != request.sketch_key
            || request.sketch_key == 0
            || request.live < ours / LIVE_SHARE_MIN
            || request.live == 0
        {
            self.open_whole(&mut outbound);
            return outbound;
        }
        outbound.symbols = Some(0);
        outbound.symbols_max = symbols_max(ours, request.live);
        outbound.comparison = Some(Comparison::begin(&self.live));
        outbound.hint = self.hint(missing, &outbound.seen);
        outbound
    }

    /// How many live dots differ, as far as contexts tell, if they tell enough.
    fn hint(&self, missing: &Context, seen: &Context) -> Option<u64> {
        let ranges = missing.iter().flat_map(|(actor, seen)| {
            seen.pairs().iter().map(move |&(first, last)| DotRange { actor, first, last })
        });
        let alive = ranges.map(|range| self.live.in_range(range).count() as u64).sum::<u64>();
        let theirs = seen.minus(&self.context).dots();
        let dead = missing.dots() - alive.min(missing.dots());
        let hint = alive.saturating_add(theirs);
        (dead <= hint && hint <= HINT_MAX).then_some(hint)
    }

    /// Nodes whose keys differ, because their secret is being changed, cannot compare.
    pub(super) fn key_name(&self) -> u32 {
        if self.config.sketches { self.live.sketch_key().name() } else { 0 }
    }

    /// Answers a demand with symbols. `None` when the difference is known, or will not be: then cells follow.
    pub(super) fn answer(&mut self, outbound: &mut Outbound, demand: Option<&Demand>) -> Option<Symbols> {
        let sent = outbound.symbols?;
        let Some(comparison) = outbound.comparison.as_ref().filter(|comparison| !comparison.is_lost()) else {
            self.open_whole(outbound);
            return None;
        };
        let more = match demand {
            None => first_batch(outbound.hint).saturating_sub(sent),
            Some(Demand::Symbols { gauge: Some(theirs), .. }) => {
                batch_by_gauge(sent, comparison.gauge(&mut self.live).differences(theirs))
            }
            Some(Demand::Symbols { gauge: None, estimate }) => next_batch(sent, *estimate),
            Some(Demand::Cells { .. }) => return self.send_wanted(outbound, demand),
            Some(Demand::Whole | Demand::Seen(_)) => 0,
        };
        let end = sent.saturating_add(more);
        if more == 0 || end > outbound.symbols_max {
            self.open_whole(outbound);
            return None;
        }
        let mut bytes = Vec::new();
        comparison.symbols(&mut self.live, sent..end).encode(&mut bytes);
        outbound.symbols = Some(end);
        Some(Symbols { start: sent, len: more, bytes, live: self.live.dots() as u64 })
    }

    /// The receiver has found the difference: its cells are next, if it is one.
    fn send_wanted(&mut self, outbound: &mut Outbound, demand: Option<&Demand>) -> Option<Symbols> {
        let (Some(Demand::Cells { wanted, common }), Some(sent)) = (demand, outbound.symbols) else {
            return None;
        };
        if wanted.len() > sent as usize {
            // Each difference takes a symbol.
            self.open_whole(outbound);
            return None;
        }
        let comparison = outbound.comparison.as_mut()?;
        let keys = keys_of(wanted.ranges().map(|range| *range.start()));
        let held = comparison.held(&self.live, &keys, |item| wanted.matches(item));
        if wanted.bits() >= KEY_BITS && comparison.without(&held) == *common {
            comparison.own = held.items;
            (outbound.extent, outbound.symbols) = (Extent::Differing, None);
            outbound.todo.extend(held.cells);
            return None;
        }
        if wanted.bits() < u64::BITS {
            return Some(Symbols { start: sent, len: 0, bytes: Vec::new(), live: self.live.dots() as u64 });
        }
        self.open_whole(outbound);
        None
    }

    /// Symbols of ours, of the instant of a comparison.
    pub(super) fn own_symbols(&mut self, number: u64, range: std::ops::Range<u32>) -> Option<Run> {
        let comparison = self.receiving.get(&number).filter(|comparison| !comparison.is_lost())?;
        Some(comparison.symbols(&mut self.live, range))
    }
}

/// With more symbols than this the whole state costs hardly more.
pub(super) fn symbols_max(ours: u64, theirs: u64) -> u32 {
    let half = u32::try_from(ours.saturating_add(theirs) / 2).unwrap_or(u32::MAX);
    half.saturating_add(SYMBOLS_MIN).min(crate::sketch::SYMBOLS_MAX)
}
