//! Telling a copy of a directory from the original.
//!
//! After a clean stop an actor goes on. A copy, or an old image, of a cleanly stopped directory looks the same, and would
//! give out numbers that the original has given out. So until a first peer has confirmed that it knows no more of our
//! actor than we do, nothing leaves the node, and what is written stays *unconfirmed*. When a peer does know more, the
//! unconfirmed operations become those of a new life: since nobody has seen them, renaming their author wherever it
//! stands gives the very state in which the new life had issued them. Only our own counter cells differ, because the new
//! life has cells of its own: their contents at the start are kept until confirmed.

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::{
    Actor, Cell, CellId, Dot, DotRange, Epoch, Hlc, Intervals, Leaf, LiveDot, NodeId, Operation, Path,
    Payload, Rule, Target,
};

use super::Replica;

/// What has to be known to give up an actor.
#[derive(Debug, Default)]
pub(super) struct Fork {
    /// Set while unconfirmed: our greatest number at the start, once something was written since.
    pub state: State,
    /// Own counter cells as they were at the start.
    pub counters: BTreeMap<CellId, Cell>,
    /// Those of them that are on disk.
    pub stored: BTreeSet<CellId>,
}

#[derive(Debug, Default, PartialEq, Eq, Clone, Copy)]
pub(super) enum State {
    /// The actor is ours beyond doubt.
    #[default]
    Confirmed,
    /// Continued after a clean stop; nothing was written since.
    Open,
    /// Continued after a clean stop at this number; what is above is unconfirmed.
    Since(u64),
}

impl Replica {
    /// Goes on as the actor of before a clean stop. What is written is unconfirmed, until [`Replica::confirm`].
    pub fn continue_as(&mut self, actor: Actor) {
        self.actor = actor;
        self.note_own_traces();
        self.traced = Vec::new();
        self.begin_unconfirmed();
    }

    /// The rows were written under another node's id: so what is unconfirmed in them is that node's, until a new life takes it.
    pub fn was_written_by(&mut self, node: NodeId) {
        self.actor.node = node;
    }

    /// From now on what is written is unconfirmed, until [`Replica::confirm`].
    pub fn begin_unconfirmed(&mut self) {
        if self.fork.state == State::Confirmed {
            self.fork.state = State::Open;
        }
    }

    /// A peer knows no more of our actor than we do: it is ours.
    pub fn confirm(&mut self) {
        self.changes.unconfirmed |= matches!(self.fork.state, State::Since(_));
        self.forget_fork();
    }

    /// The names of what is on disk stay until it is removed there.
    fn forget_fork(&mut self) -> Fork {
        let stored = self.fork.stored.clone();
        std::mem::replace(&mut self.fork, Fork { stored, ..Fork::default() })
    }

    /// Is there anything on disk that a confirmation, or a new life, changes?
    pub fn has_unconfirmed(&self) -> bool {
        matches!(self.fork.state, State::Since(_))
    }

    /// Writes that no peer has confirmed.
    pub fn unconfirmed(&self) -> u64 {
        match self.fork.state {
            State::Since(base) => self.context.top(self.actor).saturating_sub(base),
            State::Open | State::Confirmed => 0,
        }
    }

    /// Does a peer that has seen our actor up to `known` know of operations that we never let out?
    pub fn is_forked_by(&self, known: u64) -> bool {
        let ours = match self.fork.state {
            State::Since(base) => base,
            State::Open | State::Confirmed => self.context.top(self.actor),
        };
        known > ours && self.rules.holds(Rule::ForkUnseen)
    }

    /// Goes on as another actor. Unconfirmed operations become the new actor's.
    pub fn take_new_life(&mut self, next: Actor, hlc: Hlc, wall_ms: u64) {
        let old = std::mem::replace(&mut self.actor, next);
        self.end_own_traces();
        let fork = self.forget_fork();
        if let State::Since(base) = fork.state {
            self.changes.unconfirmed = true;
            let reset: Vec<CellId> =
                fork.counters.keys().filter(|id| self.was_reset(id, &fork)).cloned().collect();
            self.rename(old, base, next, &fork);
            self.restore_counters(fork.counters);
            self.reset_again(&reset, hlc, wall_ms);
        }
    }

    pub(super) fn remember_base(&mut self) {
        if self.fork.state == State::Open {
            self.fork.state = State::Since(self.context.top(self.actor));
            self.changes.unconfirmed = true;
        }
    }

    /// Keeps an own counter cell as it is before the first unconfirmed operation on it.
    pub(super) fn save_own_counter(&mut self, op: &Operation) {
        let (State::Since(_), Target::Cell(id)) = (self.fork.state, &op.target) else { return };
        if self.owns(id) && !self.fork.counters.contains_key(id) {
            let cell = self.live.cell(id).cloned().unwrap_or_default();
            self.fork.counters.insert(id.clone(), cell);
            self.changes.unconfirmed = true;
        }
    }

    /// Dots of `old` above `base` become dots of `next`, from 1.
    fn rename(&mut self, old: Actor, base: u64, next: Actor, fork: &Fork) {
        let top = self.context.top(old);
        if top <= base {
            return;
        }
        let unconfirmed = DotRange { actor: old, first: base + 1, last: top };
        let renamed = |dot: Dot| {
            let hit = dot.actor == old && dot.seq > base;
            if hit { Dot::new(next, dot.seq - base) } else { dot }
        };
        let moving: Vec<CellId> = self.live.in_range(unconfirmed).map(|(_, id)| id).collect();
        for id in moving {
            self.move_cell(&id, own_path(&id.path, old, next), fork, &renamed);
        }
        self.removals.rename(renamed);
        self.changes.floor = true;
        self.changes.removals.extend(self.removals.iter().map(|(position, dot, _)| (position, dot)));
        self.rename_context(old, base, top, next);
    }

    fn move_cell(&mut self, id: &CellId, path: Path, fork: &Fork, renamed: &impl Fn(Dot) -> Dot) {
        let Some(cell) = self.live.cell(id).cloned() else { return };
        let (moved, stay): (Vec<LiveDot>, Vec<LiveDot>) =
            cell.dots().iter().cloned().partition(|live| renamed(live.dot) != live.dot);
        let target = CellId { key: id.key.clone(), path };
        let base = if self.was_reset(id, fork) {
            0
        } else {
            fork.counters.get(id).and_then(total).map_or(0, |t| t.1)
        };
        self.edit(id, |cell| *cell = Cell::from_dots(stay).expect("a part of a cell is in order"));
        self.edit(&target, |cell| {
            for live in moved {
                let dot = renamed(live.dot);
                cell.insert(LiveDot { dot, payload: rebased(&live.payload, base, dot.seq), ..live });
            }
        });
    }

    /// Was an own counter reset in the unconfirmed time? Then its running total at the start has ended.
    fn was_reset(&self, id: &CellId, fork: &Fork) -> bool {
        let before = fork.counters.get(id).and_then(total).map(|(epoch, _)| epoch);
        before.is_some() && before != self.live.cell(id).and_then(total).map(|(epoch, _)| epoch)
    }

    /// What was reset as our own is now another actor's, and needs a trace there.
    fn reset_again(&mut self, ids: &[CellId], hlc: Hlc, wall_ms: u64) {
        let mut tx = self.begin(hlc, wall_ms);
        ids.iter().for_each(|id| tx.reset(id));
        // Nothing is pushed: like all unconfirmed operations, these travel by anti-entropy.
        let _ = tx.commit();
    }

    fn restore_counters(&mut self, counters: BTreeMap<CellId, Cell>) {
        for (id, cell) in counters {
            self.edit(&id, |now| *now = cell);
        }
    }

    fn rename_context(&mut self, old: Actor, base: u64, top: u64, next: Actor) {
        let all = self.context.of(old).cloned().unwrap_or_default();
        self.context_mut().set(old, all.minus(&Intervals::of(base + 1, top)));
        self.context_mut().set(next, Intervals::of(1, top - base));
        [old, next].into_iter().for_each(|actor| self.actor_changed(actor));
    }
}

/// Counter cells bear their actor in the path.
pub(super) fn own_path(path: &Path, old: Actor, next: Actor) -> Path {
    let prefix = path.fields().fold(Path::root(), |at, name| at.field(name));
    match path.last() {
        Leaf::Count(owner) if owner == old => prefix.leaf(Leaf::Count(next)),
        Leaf::TextCount(owner) if owner == old => prefix.leaf(Leaf::TextCount(next)),
        _ => path.clone(),
    }
}

/// A running total without what was counted before the unconfirmed time: that stays in the old actor's cell.
fn rebased(payload: &Payload, base: i64, seq: u64) -> Payload {
    match payload {
        Payload::Total { n, .. } => Payload::Total { epoch: seq, n: n.saturating_sub(base), base: (0, 0) },
        other => other.clone(),
    }
}

/// The running total in a counter cell, with its epoch.
fn total(cell: &Cell) -> Option<(Epoch, i64)> {
    cell.dots().iter().find_map(|live| match live.payload {
        Payload::Total { epoch, n, .. } => Some((epoch, n)),
        _ => None,
    })
}
