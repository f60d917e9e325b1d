//! Live dots as the items of a set that two replicas can compare (`crate::sketch`).
//!
//! An item is 24 bits of its key's hash and 40 keyed bits of what the dot says. So an item leads to the few keys that it can be
//! of, through the table that is there, and no index is needed. Within one key items tell dots apart by 40 bits: who
//! compares sets checks the result against the fingerprint.

use std::collections::BTreeSet;

use damson_crdt::{CellId, Contents, Dot, Key, LiveDot, PathRef};
use smallvec::SmallVec;

use super::Live;
use super::entry::Held;
use crate::sketch::{self, Prefix};

/// A live dot that came or went.
#[derive(Debug, Clone, Copy)]
pub(in crate::replica) struct Toggle {
    pub item: u64,
    pub contents: Contents,
}

/// A live dot that was looked for.
#[derive(Debug)]
pub(in crate::replica) struct Found {
    pub item: u64,
    pub contents: Contents,
    pub cell: CellId,
    pub dot: Dot,
}

/// Bits of an item that are its key's.
pub(in crate::replica) const KEY_BITS: u32 = 24;

/// Symbols that are kept once somebody asked for symbols: enough for a difference of about a thousand.
const KEPT: u32 = 1_280;
/// Changes that may wait to enter the symbols, at least, and as a part of all live dots. With more it is cheaper to make the
/// symbols anew, should they be needed again.
const WAITING_MIN: usize = 1 << 14;
const WAITING_SHARE: usize = 4;

pub(super) fn item_of(key: sketch::Key, hash: u64, contents: Contents) -> u64 {
    let low = u64::BITS - KEY_BITS;
    (hash >> low << low) | contents.keyed((key.0, key.1)) >> KEY_BITS
}

impl Live {
    /// Notes changes from now on, or no longer.
    pub fn record(&mut self, on: bool) {
        self.recording = on;
        self.toggled.clear();
    }

    /// Are changes noted?
    pub fn is_recording(&self) -> bool {
        self.recording
    }

    /// What came and went since this was last asked for.
    pub fn take_toggled(&mut self) -> Vec<Toggle> {
        std::mem::take(&mut self.toggled)
    }

    /// The symbols of all live dots, at least so many. The first time, and where there are too few, by a pass over all.
    pub fn symbols(&mut self, len: u32) -> &mut Prefix {
        let mut prefix = match self.prefix.take() {
            Some(prefix) => prefix,
            None => Prefix::new(self.sketch_key, KEPT.max(len), self.items(), usize::MAX),
        };
        if prefix.len() < len {
            prefix.resize(len, self.items());
        }
        self.prefix.insert(prefix)
    }

    pub fn sketch_key(&self) -> sketch::Key {
        self.sketch_key
    }

    /// The live dots whose items begin with one of these bits and are accepted.
    pub fn matching(&self, keys: &BTreeSet<u64>, accept: impl Fn(u64) -> bool) -> Vec<Found> {
        let low = u64::BITS - KEY_BITS;
        let mut found = Vec::new();
        let mut scratch = Vec::new();
        for &begin in keys {
            for named in self.keys.from(begin << low).take_while(|named| named.hash >> low == begin) {
                for (path, held) in named.value.held() {
                    for (dot, contents) in self.contents(&mut scratch, &named.name, path, held) {
                        let item = item_of(self.sketch_key, named.hash, contents);
                        if accept(item) {
                            let key = Key::copy_from_slice(&named.name);
                            let cell = CellId { key, path: path.to_path() };
                            found.push(Found { item, contents, cell, dot });
                        }
                    }
                }
            }
        }
        found
    }

    /// A dot came or went.
    pub(super) fn toggle(&mut self, hash: u64, contents: Contents) {
        let item = item_of(self.sketch_key, hash, contents);
        if self.recording {
            self.toggled.push(Toggle { item, contents });
        }
        if let Some(prefix) = &mut self.prefix {
            prefix.toggle(item);
            if prefix.waiting() > WAITING_MIN.max(self.dots.len() / WAITING_SHARE) {
                self.prefix = None;
            }
        }
    }

    /// Does anybody want to know what comes and goes?
    pub(super) fn is_followed(&self) -> bool {
        self.recording || self.prefix.is_some()
    }

    fn items(&self) -> impl Iterator<Item = u64> {
        let mut scratch = Vec::new();
        self.keys.from(0).flat_map(move |named| {
            let mut items: SmallVec<[u64; 2]> = SmallVec::new();
            for (path, held) in named.value.held() {
                let contents = self.contents(&mut scratch, &named.name, path, held);
                items.extend(
                    contents.iter().map(|(_, contents)| item_of(self.sketch_key, named.hash, *contents)),
                );
            }
            items
        })
    }

    /// What each dot of a cell says.
    fn contents(
        &self,
        scratch: &mut Vec<u8>,
        key: &[u8],
        path: PathRef<'_>,
        held: &Held,
    ) -> SmallVec<[(Dot, Contents); 1]> {
        match held.cell.dots() {
            [one] => SmallVec::from_buf([(one.dot, held.sum.of_one())]),
            dots => {
                let of = |live: &LiveDot| Contents::of(scratch, key, path, live, self.ties.rules);
                let mut of = of;
                dots.iter().map(|live| (live.dot, of(live))).collect()
            }
        }
    }
}
