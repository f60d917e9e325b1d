//! The removal log and its floor: which dead dots can still be explained.
//!
//! A dot that put something and was killed is explained by its killer's cell. A removal is dead from birth, so its cell
//! is remembered here, for the newest ones. What is forgotten goes below the *floor*: a receiver that lacks a dot there
//! cannot be served by contexts alone (rule 4 in ARCHITECTURE.md).

use std::collections::{BTreeMap, VecDeque};

use damson_crdt::{Context, Dot, DotRange, Target};

use super::live::cost;

#[derive(Debug)]
pub(super) struct Removals {
    by_dot: BTreeMap<Dot, (u64, Target)>,
    /// Positions in the order of arrival, and the position of the next.
    order: VecDeque<(u64, Dot)>,
    next: u64,
    floor: Context,
    /// Memory of what is remembered.
    bytes: u64,
}

impl Removals {
    pub fn new() -> Self {
        Self { by_dot: BTreeMap::new(), order: VecDeque::new(), next: 0, floor: Context::default(), bytes: 0 }
    }

    pub fn floor(&self) -> &Context {
        &self.floor
    }

    pub fn len(&self) -> usize {
        self.by_dot.len()
    }

    /// Memory of what is remembered, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// [`Removals::bytes`], counted anew.
    pub fn bytes_again(&self) -> u64 {
        self.by_dot.values().map(|(_, target)| bytes_of(target)).sum()
    }

    /// Remembers a removal, and returns its position. Positions grow.
    pub fn push(&mut self, dot: Dot, target: Target) -> u64 {
        if let Some((position, _)) = self.by_dot.get(&dot) {
            return *position;
        }
        let position = self.next;
        self.restore(position, dot, target);
        position
    }

    /// Puts back a removal that was read from disk, in the order of positions.
    pub fn restore(&mut self, position: u64, dot: Dot, target: Target) {
        self.bytes += bytes_of(&target);
        let known = self.by_dot.insert(dot, (position, target));
        self.bytes -= known.map_or(0, |(_, target)| bytes_of(&target));
        self.order.push_back((position, dot));
        self.next = self.next.max(position + 1);
    }

    /// Forgets the oldest removals beyond a number, into the floor. Returns their positions and dots.
    pub fn truncate_to(&mut self, entries_max: usize) -> Vec<(u64, Dot)> {
        let excess = self.order.len().saturating_sub(entries_max);
        let forgotten: Vec<(u64, Dot)> = self.order.drain(..excess).collect();
        for (_, dot) in &forgotten {
            self.bytes -= self.by_dot.remove(dot).map_or(0, |(_, target)| bytes_of(&target));
            self.raise_floor(*dot);
        }
        forgotten
    }

    /// Puts all numbers up to this one below the floor. Coarser than the dead dots alone, which is safe (a receiver that
    /// lacks one takes the longer way) and keeps the floor at one interval for each actor.
    pub fn raise_floor(&mut self, dot: Dot) {
        self.floor.insert_range(DotRange { actor: dot.actor, first: 1, last: dot.seq });
    }

    /// The removals remembered in a range.
    pub fn in_range(&self, range: DotRange) -> impl Iterator<Item = (Dot, &Target)> {
        let bounds = Dot::new(range.actor, range.first)..=Dot::new(range.actor, range.last);
        self.by_dot.range(bounds).map(|(dot, (_, target))| (*dot, target))
    }

    /// Renames dots, those below the floor too: of an actor whose newer numbers get another name, the older ones stay.
    pub fn rename(&mut self, rename: impl Fn(Dot) -> Dot) {
        let renamed = std::mem::take(&mut self.by_dot).into_iter().map(|(dot, entry)| (rename(dot), entry));
        self.by_dot = renamed.collect();
        self.order.iter_mut().for_each(|(_, dot)| *dot = rename(*dot));
        for (actor, below) in std::mem::take(&mut self.floor).iter() {
            let top = Dot::new(actor, below.max());
            let renamed = rename(top);
            self.raise_floor(renamed);
            if renamed.actor != actor && renamed.seq < top.seq {
                self.raise_floor(Dot::new(actor, top.seq - renamed.seq));
            }
        }
    }

    /// All that is remembered, with positions.
    pub fn iter(&self) -> impl Iterator<Item = (u64, Dot, &Target)> {
        self.order.iter().map(|(position, dot)| (*position, *dot, &self.by_dot[dot].1))
    }
}

/// Memory of a removal: in the tree, in the queue (which has room for half as many again), and the names.
fn bytes_of(target: &Target) -> u64 {
    let places = cost::in_tree(size_of::<(Dot, (u64, Target))>()) + size_of::<(u64, Dot)>() as u64 * 3 / 2;
    let names = match target {
        Target::Cell(id) => cost::shared(id.key.len()) + cost::path(&id.path),
        Target::Key(key) => cost::shared(key.len()),
    };
    places + names
}
