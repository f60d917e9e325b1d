//! Handing state from one replica to another: the receiver enters the source's context as a whole, with the last cell
//! (rule 3).
//!
//! The source opens an *outbound* transfer for what the receiver has seen. It sends the cells behind the missing dots,
//! or, when a missing dot lies below its floor, all cells. Cells that change at the source meanwhile are sent again; the
//! last chunk and the context that goes with it are of one instant. The receiver stages everything and commits at the
//! end. A transfer that is given up leaves no trace.

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::{Cell, CellId, Context, Digest, Dot, Key, Rule, Rules, Target};

use super::Replica;

/// A part of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// Cells with what is alive of them at the source; none means that nothing is.
    pub cells: Vec<(CellId, Cell)>,
    /// Keys that were cleared: the receiver's cells of them that were not sent are empty at the source.
    pub cleared: Vec<Key>,
    /// Removals behind the dots that were missing.
    pub removals: Vec<(Dot, Target)>,
    /// Present in the last chunk.
    pub last: Option<Last>,
}

/// What the last chunk of a transfer carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// All cells were sent: what was not sent is empty at the source.
    pub whole: bool,
    /// The source's context at this instant.
    pub context: Context,
    /// The missing dots that the source's removal log cannot explain.
    pub floor: Context,
    /// The source's digest at this instant: a receiver with the same context must have the same.
    pub digest: Digest,
}

/// The receiving end of a transfer.
#[derive(Debug, Default)]
pub struct Inbound {
    staged: BTreeMap<CellId, Cell>,
    cleared: BTreeSet<Key>,
    removals: BTreeMap<Dot, Target>,
}

/// A transfer that cannot be believed. Nothing of it was applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// A live dot that its own source has not seen.
    #[error("the source sent the live dot {0:?} outside its own context")]
    OutsideContext(Dot),
}

/// The sending end.
#[derive(Debug, Default)]
pub(super) struct Outbound {
    seen: Context,
    whole: bool,
    todo: BTreeSet<CellId>,
    cleared: BTreeSet<Key>,
    /// Removals still to be told, those that come meanwhile included. One that the log forgets meanwhile is below the
    /// floor that the last chunk tells.
    removals: BTreeSet<Dot>,
}

impl Outbound {
    fn is_empty(&self) -> bool {
        self.todo.is_empty() && self.cleared.is_empty() && self.removals.is_empty()
    }

    pub fn removed(&mut self, dot: Dot) {
        if !self.whole {
            self.removals.insert(dot);
        }
    }

    pub fn changed(&mut self, id: &CellId, rules: Rules) {
        if rules.holds(Rule::StaleContext) {
            self.todo.insert(id.clone());
        }
    }
}

impl Replica {
    /// Opens a transfer to a receiver that has seen this. Returns whether it takes the whole state.
    pub fn open_outbound(&mut self, id: u64, seen: Context) -> bool {
        let missing = self.context.minus(&seen);
        let whole = missing.meets(self.removals.floor()) && self.rules.holds(Rule::FloorIgnored);
        let mut outbound = Outbound { seen, whole, ..Outbound::default() };
        if whole {
            outbound.todo.extend(self.live.cells().map(|(id, _)| id));
        } else {
            self.find_behind(&missing, &mut outbound);
        }
        self.outbound.insert(id, outbound);
        whole
    }

    /// Gives up a transfer, or ends one.
    pub fn close_outbound(&mut self, id: u64) {
        self.outbound.remove(&id);
    }

    /// The next part of a transfer, of about `bytes_max` bytes; `None` when it is not open. The last part closes it.
    pub fn next_chunk(&mut self, id: u64, bytes_max: usize) -> Option<Chunk> {
        let outbound = self.outbound.get_mut(&id)?;
        let mut chunk = Chunk::default();
        let mut bytes = 0;
        while bytes < bytes_max
            && let Some(id) = outbound.todo.pop_first()
        {
            let cell = self.live.cell(&id).cloned().unwrap_or_default();
            bytes += id.key.len() + id.path.as_bytes().len() + 48;
            bytes += cell.dots().iter().map(|live| 48 + live.payload.user_bytes()).sum::<usize>();
            chunk.cells.push((id, cell));
        }
        while bytes < bytes_max
            && let Some(key) = outbound.cleared.pop_first()
        {
            bytes += key.len();
            chunk.cleared.push(key);
        }
        while bytes < bytes_max
            && let Some(dot) = outbound.removals.pop_first()
        {
            let own = damson_crdt::DotRange { actor: dot.actor, first: dot.seq, last: dot.seq };
            if let Some((_, target)) = self.removals.in_range(own).next() {
                bytes += 40 + target.bytes();
                chunk.removals.push((dot, target.clone()));
            }
        }
        let early = !self.rules.holds(Rule::EarlyContext);
        if outbound.is_empty() || early {
            let outbound = self.outbound.remove(&id)?;
            chunk.last = Some(self.last_of(&outbound));
        }
        Some(chunk)
    }

    /// Ends a transfer at the receiver: all cells and the context at once.
    pub fn commit_inbound(&mut self, inbound: Inbound, last: &Last) -> Result<(), TransferError> {
        let dots = inbound.staged.values().flat_map(|cell| cell.dots());
        if let Some(stray) = dots.map(|live| live.dot).find(|dot| !last.context.contains(*dot)) {
            return Err(TransferError::OutsideContext(stray));
        }
        let missing = last.context.minus(&self.context);
        let empty = Cell::default();
        for id in self.empty_at_source(&inbound, last.whole) {
            self.join_cell(&id, &empty, &last.context);
        }
        for (id, cell) in &inbound.staged {
            self.join_cell(id, cell, &last.context);
        }
        if !missing.is_empty() && self.rules.holds(Rule::StaleContext) {
            self.pass_on(&inbound, last);
        }
        self.enter(&missing, &inbound, last);
        Ok(())
    }

    /// What a transfer brings enters the context that our own open transfers will end with. So they compare its cells too,
    /// also those that are as empty here as they were: their receivers may hold what died there. Dead dots that no log
    /// explains can be anywhere, and only a whole transfer carries them.
    fn pass_on(&mut self, inbound: &Inbound, last: &Last) {
        let mut open = std::mem::take(&mut self.outbound);
        for outbound in open.values_mut().filter(|outbound| !outbound.whole) {
            if last.whole {
                outbound.whole = true;
                outbound.removals.clear();
                outbound.todo.extend(self.live.cells().map(|(id, _)| id));
                continue;
            }
            outbound.todo.extend(inbound.staged.keys().cloned());
            inbound.cleared.iter().for_each(|key| self.find_target(&Target::Key(key.clone()), outbound));
            inbound.removals.values().for_each(|target| self.find_target(target, outbound));
        }
        self.outbound = open;
    }

    fn find_behind(&self, missing: &Context, outbound: &mut Outbound) {
        for (actor, seen) in missing.iter() {
            for &(first, last) in seen.pairs() {
                let range = damson_crdt::DotRange { actor, first, last };
                outbound.todo.extend(self.live.in_range(range).map(|(_, id)| id));
                for (dot, target) in self.removals.in_range(range) {
                    self.find_target(target, outbound);
                    outbound.removals.insert(dot);
                }
            }
        }
    }

    fn find_target(&self, target: &Target, outbound: &mut Outbound) {
        match target {
            Target::Cell(id) => _ = outbound.todo.insert(id.clone()),
            Target::Key(key) => {
                let entry = self.live.entry(key).into_iter().flat_map(super::live::Entry::cells);
                let ids = entry.map(|(path, _)| CellId { key: key.clone(), path: path.clone() });
                outbound.todo.extend(ids);
                outbound.cleared.insert(key.clone());
            }
        }
    }

    fn last_of(&self, outbound: &Outbound) -> Last {
        let missing = self.context.minus(&outbound.seen);
        Last {
            whole: outbound.whole,
            context: self.context.clone(),
            floor: missing.intersection(self.removals.floor()),
            digest: self.digest(),
        }
    }

    /// Our cells that the source has not sent although it would have, if anything were alive there.
    fn empty_at_source(&self, inbound: &Inbound, whole: bool) -> Vec<CellId> {
        let unsent = |id: &CellId| !inbound.staged.contains_key(id);
        if whole {
            return self.live.cells().map(|(id, _)| id).filter(unsent).collect();
        }
        let cleared = inbound.cleared.iter().filter_map(|key| self.live.entry(key).map(|entry| (key, entry)));
        let ids = cleared.flat_map(|(key, entry)| {
            entry.cells().map(|(path, _)| CellId { key: key.clone(), path: path.clone() })
        });
        ids.filter(unsent).collect()
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

    fn note_traces_in(&mut self, id: &CellId, cell: &Cell) {
        let traced = cell.dots().iter().any(|live| matches!(live.payload, damson_crdt::Payload::Seen(_)));
        if traced && self.owns(id) {
            self.traces.insert(id.clone());
        }
    }

    /// After loading: traces that were not absorbed before the stop.
    pub(super) fn note_own_traces(&mut self) {
        let own: Vec<(CellId, Cell)> =
            self.live.cells().filter(|(id, _)| self.owns(id)).map(|(id, cell)| (id, cell.clone())).collect();
        own.iter().for_each(|(id, cell)| self.note_traces_in(id, cell));
    }

    fn enter(&mut self, missing: &Context, inbound: &Inbound, last: &Last) {
        if last.whole {
            self.raise_floor_for_unexplained(missing);
        } else {
            for (dot, target) in inbound.removals.iter().filter(|(dot, _)| missing.contains(**dot)) {
                self.remember_removal(*dot, target.clone());
            }
            if self.rules.holds(Rule::LogGap) {
                self.raise_floor(&last.floor);
            }
        }
        self.context_mut().union(&last.context);
        for (actor, _) in missing.iter() {
            self.actor_changed(actor);
            self.drain(actor);
        }
    }

    /// Dead dots taken by a whole transfer are not in our log (rule 4).
    fn raise_floor_for_unexplained(&mut self, missing: &Context) {
        if !self.rules.holds(Rule::FloorNotRaised) {
            return;
        }
        let mut dead = missing.clone();
        for (actor, seen) in missing.iter() {
            let ranges =
                seen.pairs().iter().map(|&(first, last)| damson_crdt::DotRange { actor, first, last });
            let alive: Context =
                ranges.flat_map(|range| self.live.in_range(range)).map(|(dot, _)| dot).collect();
            dead = dead.minus(&alive);
        }
        self.raise_floor(&dead);
    }

    fn raise_floor(&mut self, dots: &Context) {
        dots.iter().for_each(|(actor, seen)| self.removals.raise_floor(Dot::new(actor, seen.max())));
        self.changes.floor |= !dots.is_empty();
    }
}

impl Inbound {
    /// Takes the next part of the transfer. A cell sent again replaces what was staged.
    pub fn stage(&mut self, chunk: Chunk) {
        self.staged.extend(chunk.cells);
        self.cleared.extend(chunk.cleared);
        self.removals.extend(chunk.removals);
    }

    /// How many cells are staged.
    pub fn cells(&self) -> usize {
        self.staged.len()
    }
}
