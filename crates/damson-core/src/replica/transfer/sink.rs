//! The receiving end.

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::{Cell, CellId, Context, Dot, DotRange, Key, NodeId, Payload, Rule, Target};

use super::filling::Filling;
use super::source::Outbound;
use super::symbols::{LIVE_SHARE_MIN, symbols_max};
use super::{Chunk, Demand, Extent, Last, Request, Symbols, Theirs, TransferError, keep, name_of};
use crate::replica::Replica;
use crate::replica::compare::{Comparison, keys_of};
use crate::sketch::{Decoder, Run, Wanted};

/// The receiving end of a transfer.
#[derive(Debug)]
pub struct Inbound {
    /// Names what the replica notes for it.
    number: u64,
    /// What we had seen when we asked.
    seen: Context,
    decoder: Option<Decoder>,
    /// Items that only the source has, once they are known.
    wanted: Option<Vec<u64>>,
    /// All that symbols can tell was asked for: a source that sends more of them would hold us for ever.
    has_ended: bool,
    /// Questions that were answered, and symbols shown in answers.
    answered: (u32, u32),
    /// Of a receiver that holds hardly anything: the cells that have come, but for empty ones.
    filling: Option<Box<Filling>>,
    pub(super) staged: BTreeMap<CellId, Cell>,
    pub(super) cleared: BTreeSet<Key>,
    pub(super) removals: BTreeMap<Dot, Target>,
}

/// What comes after a part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The next part, or what is asked for.
    More(Option<Demand>),
    /// That was the last: commit it.
    Commit(Last),
}

impl Replica {
    /// Begins to receive: what to ask for, and where it is staged. `compared` is our transfer to the source in which both
    /// were compared, if there was one.
    pub fn begin_inbound(&mut self, compared: Option<u64>) -> (Request, Inbound) {
        let number = self.next_inbound;
        self.next_inbound += 1;
        let baseline =
            compared.and_then(|id| self.baselines.remove(&id)).filter(|baseline| !baseline.is_lost());
        let compared = compared.filter(|_| baseline.is_some());
        self.receiving.extend(baseline.map(|baseline| (number, baseline)));
        self.note_comparisons();
        let (seen, live) = (self.context.clone(), self.live.dots() as u64);
        let request = Request { seen: self.tell_seen(), live, sketch_key: self.key_name(), compared };
        (request, Inbound { filling: self.begin_filling(), ..Inbound::new(number, seen) })
    }

    /// Takes the next part. Nothing is applied yet.
    pub fn stage(&mut self, inbound: &mut Inbound, chunk: Chunk) -> Result<Step, TransferError> {
        if let Some(question) = &chunk.asks {
            let answer = self.answer_seen(&inbound.seen, &mut inbound.answered, question)?;
            return Ok(Step::More(Some(Demand::Seen(answer))));
        }
        if let Some(symbols) = &chunk.symbols {
            return self.take_symbols(inbound, symbols).map(|demand| Step::More(Some(demand)));
        }
        match inbound.filling.as_deref_mut() {
            None => inbound.staged.extend(chunk.cells),
            Some(filling) => {
                for (id, cell) in chunk.cells {
                    if cell.is_empty() {
                        inbound.staged.insert(id.clone(), Cell::default());
                    } else {
                        inbound.staged.remove(&id);
                    }
                    self.fill(filling, id, cell);
                }
            }
        }
        inbound.cleared.extend(chunk.cleared);
        inbound.removals.extend(chunk.removals);
        Ok(chunk.last.map_or(Step::More(None), Step::Commit))
    }

    /// Gives up.
    pub fn end_inbound(&mut self, inbound: &Inbound) {
        self.receiving.remove(&inbound.number);
        self.note_comparisons();
    }

    /// Ends a transfer: all cells and the context at once. Its source and its number there are kept in mind, should that
    /// ask for what only we had.
    pub fn commit_inbound(
        &mut self,
        inbound: Inbound,
        last: &Last,
        from: Theirs,
    ) -> Result<(), TransferError> {
        self.join_inbound(inbound, last, from)?;
        self.counters.synced[last.extent as usize] += 1;
        Ok(())
    }

    fn join_inbound(&mut self, mut inbound: Inbound, last: &Last, from: Theirs) -> Result<(), TransferError> {
        let comparison = self.receiving.remove(&inbound.number);
        self.note_comparisons();
        if last.seen != name_of(&inbound.seen) {
            return Err(TransferError::OtherRequest);
        }
        let theirs = inbound.context(last);
        if let Some(filling) = inbound.filling.take() {
            if self.can_trade(&filling, last.extent) {
                return self.trade(*filling, &inbound, last, &theirs);
            }
            inbound.staged.extend(filling.cells());
        }
        let dots = inbound.staged.values().flat_map(|cell| cell.dots());
        if let Some(stray) = dots.map(|live| live.dot).find(|dot| !theirs.contains(*dot)) {
            return Err(TransferError::OutsideContext(stray));
        }
        let unsent = self.unsent(&inbound, last.extent, comparison.as_ref())?;
        let missing = theirs.minus(&self.context);
        let mut back = BTreeSet::new();
        let to_source = self.set_aside(from.0);
        for (id, cell) in unsent.iter().chain(&inbound.staged) {
            self.join_cell(id, cell, &theirs);
            if self.live.cell(id).map_or(&[][..], Cell::dots) != cell.dots() {
                back.insert(id.clone());
            }
        }
        for (id, mut outbound) in to_source {
            outbound.brought_back(&inbound, &back);
            self.outbound.insert(id, outbound);
        }
        if !missing.is_empty() && self.rules.holds(Rule::StaleContext) {
            self.pass_on(&inbound, last, from.0);
        }
        // Before the context is entered: what has waited for it changes cells once more.
        let asks_back = !self.context.minus(&theirs).is_empty();
        if last.extent == Extent::Differing && inbound.wanted.is_some() && asks_back {
            back.extend(comparison.into_iter().flat_map(|comparison| comparison.changed));
            let mut outbound = Outbound::new(from.0, theirs.clone(), Extent::Differing);
            outbound.todo = back;
            keep(&mut self.prepared, from, outbound);
        }
        self.enter(&missing, &inbound, last, &theirs);
        let to_source = self.outbound.values_mut().filter(|outbound| outbound.peer == from.0);
        to_source.for_each(|outbound| outbound.knows(&inbound.removals));
        Ok(())
    }

    /// Transfers to the source itself, which knows what it sends us.
    fn set_aside(&mut self, source: NodeId) -> BTreeMap<u64, Outbound> {
        let known = |outbound: &mut Outbound| outbound.peer == source && outbound.extent == Extent::Missing;
        self.outbound.extract_if(.., |_, outbound| known(outbound)).collect()
    }

    /// Our cells that were not sent although something may differ there, with what the source holds of them.
    fn unsent(
        &self,
        inbound: &Inbound,
        extent: Extent,
        comparison: Option<&Comparison>,
    ) -> Result<BTreeMap<CellId, Cell>, TransferError> {
        let empty = |ids: BTreeSet<CellId>| ids.into_iter().map(|id| (id, Cell::default())).collect();
        let mut unsent: BTreeMap<CellId, Cell> = match extent {
            Extent::Whole => empty(self.live.cells().map(|(id, _)| id).collect()),
            Extent::Missing => {
                let keys = inbound.cleared.iter().map(|key| Target::Key(key.clone()));
                empty(keys.flat_map(|target| self.cells_of(&target)).collect())
            }
            Extent::Differing => {
                let known = comparison.filter(|comparison| !comparison.is_lost());
                let known = known.ok_or(TransferError::NotCompared)?;
                let doubtful = known.doubtful(&self.live, self.rules.holds(Rule::SinkUnwatched));
                let without = |(id, dots): (CellId, BTreeSet<Dot>)| {
                    let own = self.live.cell(&id).map_or(&[][..], Cell::dots);
                    let rest = own.iter().filter(|live| !dots.contains(&live.dot)).cloned();
                    let rest = Cell::from_dots(rest).unwrap_or_default();
                    (id, rest)
                };
                doubtful.into_iter().map(without).collect()
            }
        };
        unsent.retain(|id, _| !inbound.staged.contains_key(id));
        Ok(unsent)
    }

    fn take_symbols(&mut self, inbound: &mut Inbound, symbols: &Symbols) -> Result<Demand, TransferError> {
        if inbound.has_ended {
            return Err(TransferError::Symbols);
        }
        if symbols.len == 0 {
            inbound.has_ended = true;
            let wanted = inbound.wanted.as_deref().ok_or(TransferError::Symbols)?;
            return self.demand_items(inbound, Wanted::exact(wanted));
        }
        if inbound.wanted.is_some() {
            return Err(TransferError::Symbols);
        }
        let demand = self.look_for(inbound, symbols)?;
        inbound.has_ended = demand == Demand::Whole;
        Ok(demand)
    }

    /// Looks for the difference with more symbols.
    fn look_for(&mut self, inbound: &mut Inbound, symbols: &Symbols) -> Result<Demand, TransferError> {
        let ours = self.live.dots() as u64;
        // A source with more than this would send everything.
        let most = symbols_max(ours, symbols.live.min(ours.saturating_mul(LIVE_SHARE_MIN)));
        if inbound.decoder.is_none() {
            inbound.decoder = Some(Decoder::new(self.live.sketch_key(), most as usize));
            self.receiving.insert(inbound.number, Comparison::begin(&self.live));
            self.note_comparisons();
        }
        let decoder = inbound.decoder.as_mut().ok_or(TransferError::Symbols)?;
        let end = symbols.start.checked_add(symbols.len).ok_or(TransferError::Symbols)?;
        if symbols.start != decoder.received() || end > most {
            return Err(TransferError::Symbols);
        }
        let range = symbols.start..end;
        let theirs = Run::decode(range.clone(), &symbols.bytes).map_err(|_| TransferError::Symbols)?;
        let Some(ours) = self.own_symbols(inbound.number, range) else { return Ok(Demand::Whole) };
        match decoder.push(&ours, &theirs) {
            Ok(true) => self.solve(inbound, symbols.live),
            Ok(false) => Ok(self.demand_more(inbound)),
            Err(_) => Ok(Demand::Whole),
        }
    }

    fn demand_more(&mut self, inbound: &Inbound) -> Demand {
        let estimate = inbound.decoder.as_ref().and_then(Decoder::estimate);
        let comparison = self.receiving.get(&inbound.number).filter(|_| estimate.is_none());
        let gauge = comparison.map(|comparison| comparison.gauge(&mut self.live));
        Demand::Symbols { gauge, estimate }
    }

    /// Tells our items from those of the source.
    fn solve(&mut self, inbound: &mut Inbound, their_len: u64) -> Result<Demand, TransferError> {
        let differences = inbound.decoder.take().map(|decoder| decoder.differences()).unwrap_or_default();
        let comparison = self.receiving.get_mut(&inbound.number).ok_or(TransferError::NotCompared)?;
        let is_one = |item: u64| differences.binary_search(&item).is_ok();
        let held = comparison.held(&self.live, &keys_of(differences.iter().copied()), is_one);
        comparison.own = held.items;
        let is_ours = |item: &u64| comparison.own.binary_search(item).is_ok();
        let wanted: Vec<u64> = differences.iter().copied().filter(|item| !is_ours(item)).collect();
        let demand = self.demand_items(inbound, Wanted::new(&wanted, their_len));
        inbound.wanted = Some(wanted);
        demand
    }

    fn demand_items(&self, inbound: &Inbound, wanted: Wanted) -> Result<Demand, TransferError> {
        let comparison = self.receiving.get(&inbound.number).ok_or(TransferError::NotCompared)?;
        let is_ours = |item: u64| comparison.own.binary_search(&item).is_ok();
        let held = comparison.held(&self.live, &keys_of(comparison.own.iter().copied()), is_ours);
        Ok(Demand::Cells { wanted, common: comparison.without(&held) })
    }

    fn join_cell(&mut self, id: &CellId, theirs: &Cell, their_context: &Context) {
        let empty = Cell::default();
        let mine = self.live.cell(id).unwrap_or(&empty);
        let joined = mine.join(&self.context, theirs, their_context, self.rules);
        if joined == *mine {
            return;
        }
        self.counters.conflicts += u64::from(joined.dots().len() > 1);
        self.note_traces_in(id, &joined);
        self.edit(id, |cell| *cell = joined);
    }

    pub(super) fn note_traces_in(&mut self, id: &CellId, cell: &Cell) {
        if cell.dots().iter().any(|live| matches!(live.payload, Payload::Seen(_))) {
            self.note_trace_in(id);
        }
    }

    /// After loading: traces that were not absorbed before the stop, and those in cells of ended lives.
    pub(in crate::replica) fn note_own_traces(&mut self) {
        let traced = std::mem::take(&mut self.traced);
        traced.iter().for_each(|id| self.note_trace_in(id));
        self.traced = traced;
    }

    pub(super) fn enter(&mut self, missing: &Context, inbound: &Inbound, last: &Last, theirs: &Context) {
        if last.extent == Extent::Missing {
            for (dot, target) in inbound.removals.iter().filter(|(dot, _)| missing.contains(**dot)) {
                self.remember_removal(*dot, target.clone());
            }
            if self.rules.holds(Rule::LogGap) {
                self.raise_floor(&last.floor);
            }
        } else {
            self.raise_floor_for_unexplained(missing);
        }
        self.context_mut().union(theirs);
        for (actor, _) in missing.iter() {
            self.actor_changed(actor);
            self.drain(actor);
        }
    }

    /// Dead dots that were taken without their removals are not in our log (rule 4).
    fn raise_floor_for_unexplained(&mut self, missing: &Context) {
        if !self.rules.holds(Rule::FloorNotRaised) {
            return;
        }
        for (actor, seen) in missing.iter() {
            let ranges = seen.pairs().iter().rev().map(|&(first, last)| DotRange { actor, first, last });
            if let Some(dead) = ranges.filter_map(|range| self.live.last_dead(range)).next() {
                self.removals.raise_floor(dead);
                self.changes.floor = true;
            }
        }
    }

    fn raise_floor(&mut self, dots: &Context) {
        dots.iter().for_each(|(actor, seen)| self.removals.raise_floor(Dot::new(actor, seen.max())));
        self.changes.floor |= !dots.is_empty();
    }
}

impl Inbound {
    fn new(number: u64, seen: Context) -> Self {
        Self {
            number,
            seen,
            decoder: None,
            wanted: None,
            has_ended: false,
            answered: (0, 0),
            filling: None,
            staged: BTreeMap::new(),
            cleared: BTreeSet::new(),
            removals: BTreeMap::new(),
        }
    }

    /// Does the receiver hold hardly anything?
    pub fn is_filling(&self) -> bool {
        self.filling.is_some()
    }

    /// What the source has seen.
    pub fn context(&self, last: &Last) -> Context {
        let mut context = self.seen.minus(&last.lacks);
        context.union(&last.news);
        context
    }
}
