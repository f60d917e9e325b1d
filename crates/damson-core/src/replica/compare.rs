//! Comparing the live dots of two replicas, which both go on changing, by sketches.
//!
//! Both sides compare their sets as they were at an instant, each at one of its own: a [`Comparison`] notes what came and
//! went since, so that the symbols of that instant can be made at any time. Once the items that only one side has are
//! known, they say of each cell what the other side holds there: what we had, without what only we had. What has come
//! since must not be taken for something that the other holds (the rule `sink-unwatched`).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use damson_crdt::{CellId, Contents, Fingerprint};

use super::live::{KEY_BITS, Live, Toggle};
use crate::sketch::{Gauge, Run};

/// Our live dots at an instant, compared with another's.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    fingerprint: Fingerprint,
    toggled: Vec<Toggle>,
    /// Cells that changed since.
    pub changed: BTreeSet<CellId>,
    /// More has changed than is worth noting: nothing can be said any more.
    lost: bool,
    /// Items that only we had, once they are known, ascending.
    pub own: Vec<u64>,
}

/// Some of the items of an instant.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Ascending.
    pub items: Vec<u64>,
    /// What they add to the fingerprint.
    pub sum: Fingerprint,
    /// The cells of those that are still alive.
    pub cells: BTreeSet<CellId>,
}

/// Changes that a comparison notes: a second or more of a busy scope, 6 MB.
const TOGGLED_MAX: usize = 1 << 18;

impl Comparison {
    pub fn begin(live: &Live) -> Self {
        Self { fingerprint: live.fingerprint(), ..Self::default() }
    }

    /// The instant is now, and the other side has all that we have.
    pub fn begin_equal(&mut self, live: &Live) {
        *self = Self::begin(live);
    }

    pub fn is_lost(&self) -> bool {
        self.lost
    }

    /// A cell changed, and dots came and went.
    pub fn note(&mut self, cell: &CellId, toggled: &[Toggle]) {
        if self.lost {
            return;
        }
        if !self.changed.contains(cell) {
            self.changed.insert(cell.clone());
        }
        self.toggled.extend_from_slice(toggled);
        if self.toggled.len() > TOGGLED_MAX {
            self.toggled = self.net().into_iter().map(|(item, contents)| Toggle { item, contents }).collect();
            self.lost = self.toggled.len() > TOGGLED_MAX / 2 || self.changed.len() > TOGGLED_MAX / 2;
        }
        if self.lost {
            (self.toggled, self.changed) = Default::default();
        }
    }

    /// Items that are alive now and were not, or were and are not.
    pub fn net(&self) -> BTreeMap<u64, Contents> {
        let mut net = BTreeMap::new();
        for toggle in &self.toggled {
            if net.remove(&toggle.item).is_none() {
                net.insert(toggle.item, toggle.contents);
            }
        }
        net
    }

    /// Some symbols of the instant.
    pub fn symbols(&self, live: &mut Live, range: Range<u32>) -> Run {
        let key = live.sketch_key();
        let mut run = live.symbols(range.end).symbols(range).expect("there are so many");
        self.net().keys().for_each(|item| run.toggle(key, *item));
        run
    }

    /// The gauge of the instant.
    pub fn gauge(&self, live: &mut Live) -> Gauge {
        let key = live.sketch_key();
        let mut gauge = live.symbols(0).gauge();
        self.net().keys().for_each(|item| gauge.toggle(key, *item));
        gauge
    }

    /// The items of the instant that are accepted. `keys` are the first bits of all that can be.
    pub fn held(&self, live: &Live, keys: &BTreeSet<u64>, accept: impl Fn(u64) -> bool) -> Held {
        let net = self.net();
        let mut held = Held::default();
        let mut since = BTreeSet::new();
        for found in live.matching(keys, &accept) {
            if net.contains_key(&found.item) {
                since.insert(found.item);
                continue;
            }
            held.sum.add(found.contents);
            held.items.push(found.item);
            held.cells.insert(found.cell);
        }
        for (item, contents) in net.iter().filter(|(item, _)| accept(**item) && !since.contains(item)) {
            held.sum.add(*contents);
            held.items.push(*item);
        }
        held.items.sort_unstable();
        held
    }

    /// Half of the fingerprint of the instant without these.
    pub fn without(&self, held: &Held) -> u64 {
        self.fingerprint.minus(held.sum).half()
    }

    /// Live dots, by cell, that the other side does not have, as far as the comparison can tell, or may not have.
    pub fn doubtful(&self, live: &Live, watched: bool) -> BTreeMap<CellId, BTreeSet<damson_crdt::Dot>> {
        let since = if watched { self.net() } else { BTreeMap::new() };
        let items: BTreeSet<u64> = self.own.iter().copied().chain(since.into_keys()).collect();
        let mut doubtful: BTreeMap<CellId, BTreeSet<damson_crdt::Dot>> = BTreeMap::new();
        for found in live.matching(&keys_of(items.iter().copied()), |item| items.contains(&item)) {
            doubtful.entry(found.cell).or_default().insert(found.dot);
        }
        doubtful
    }
}

/// The first bits of items, which are those of their keys.
pub(super) fn keys_of(items: impl Iterator<Item = u64>) -> BTreeSet<u64> {
    items.map(|item| item >> (u64::BITS - KEY_BITS)).collect()
}
