//! Handing state from one replica to another: the receiver enters the source's context as a whole, with the last cell
//! (rule 3).
//!
//! The source opens an *outbound* transfer for what the receiver has seen. It sends the cells behind the missing dots. Where
//! a missing dot lies below its floor both compare their live dots by sketches, and it sends the cells in which they
//! differ; or all cells, when the receiver has hardly any. Cells that change at the source meanwhile are sent again; the
//! last chunk and the context that goes with it are of one instant. The receiver stages everything (who holds hardly anything
//! in the form that its state will have: `filling`) and commits at the end. A transfer that is given up leaves no trace.
//!
//! ```text
//!  source: open_outbound --> next_chunk --> ... --> next_chunk     sink: begin_inbound --> stage --> ... --> commit
//!                             ^                                                             |
//!                             `---------------------------- Demand ----------------------------'
//! ```
//!
//! A comparison serves both directions: what only the receiver had is known to it, and the source asks for that naming the
//! transfer ([`Request::compared`]).

mod filling;
mod seen;
mod sink;
mod source;
mod symbols;
mod walk;

use std::collections::BTreeSet;

use damson_crdt::{Actor, Cell, CellId, Context, Digest, Dot, Key, NodeId, Target};

use super::Replica;
use crate::sketch::{Gauge, Wanted};

pub(super) use seen::Opening;
pub use sink::{Inbound, Step};
pub(super) use source::Outbound;

/// What a receiver asks of a source first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Request {
    /// What it has seen.
    pub seen: Seen,
    /// How many of its dots are alive.
    pub live: u64,
    /// The name of its key of sketches; 0 for none.
    pub sketch_key: u32,
    /// The receiver's transfer to the source in which both were compared.
    pub compared: Option<u64>,
}

/// What a receiver has seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// In full.
    Whole(Context),
    /// So much of it that a source that has seen nearly the same finds out the rest.
    Summary(Summary),
}

/// The beginning of a comparison of two contexts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Names the context.
    pub name: u32,
    /// The first coded symbols of its entries, as [`crate::sketch::Run`] writes them.
    pub symbols: Vec<u8>,
}

/// What a source asks about a context of which it has a summary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// So many more symbols; or all of it, where that takes hardly more.
    Symbols(u32),
    /// Entries, both ascending.
    Entries {
        /// Those that only the receiver has, by their items.
        items: Vec<u64>,
        /// Those of actors of whom the source has others.
        actors: Vec<Actor>,
    },
    /// All of it: the difference cannot be found.
    Whole,
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Symbols.
    Symbols(Vec<u8>),
    /// Entries; an actor that is not there was not seen.
    Entries(Context),
}

/// What a receiver asks for next, when it is not simply the next part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// More symbols. The gauge when the symbols do not say how many differences there are.
    Symbols {
        /// Of the receiver's set.
        gauge: Option<Gauge>,
        /// How many differences there seem to be.
        estimate: Option<u64>,
    },
    /// The cells of these items, which only the source had.
    Cells {
        /// The items.
        wanted: Wanted,
        /// Half of the fingerprint of what both had.
        common: u64,
    },
    /// Everything: the difference cannot be found.
    Whole,
    /// The next part; and what the source has asked.
    Seen(Answer),
}

/// A transfer that has begun: it is known what its receiver has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Begun {
    /// What it tells.
    pub extent: Extent,
    /// Has the receiver seen what we have not?
    pub is_behind: bool,
}

/// A part of a transfer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// Cells with what is alive of them at the source; none means that nothing is.
    pub cells: Vec<(CellId, Cell)>,
    /// Keys that were cleared: the receiver's cells of them that were not sent are empty at the source.
    pub cleared: Vec<Key>,
    /// Removals behind the dots that were missing.
    pub removals: Vec<(Dot, Target)>,
    /// Instead of all these: coded symbols of the source's live dots.
    pub symbols: Option<Symbols>,
    /// Instead of all these: what has the receiver seen?
    pub asks: Option<Question>,
    /// Present in the last chunk.
    pub last: Option<Last>,
}

/// Consecutive coded symbols. None at all: what was wanted has to be named in full.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbols {
    /// The index of the first.
    pub start: u32,
    /// How many.
    pub len: u32,
    /// As [`crate::sketch::Run`] writes them.
    pub bytes: Vec<u8>,
    /// How many dots are alive at the source.
    pub live: u64,
}

/// What a transfer has told when it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// The cells behind the missing dots.
    Missing,
    /// The cells that differ: what was not sent is at the source as it was here when both were compared, without what only
    /// we had.
    Differing,
    /// All cells: what was not sent is empty at the source.
    Whole,
}

impl Extent {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Missing, Self::Differing, Self::Whole];

    /// For metrics: the way by which it was known what to tell.
    pub fn name(self) -> &'static str {
        match self {
            Self::Missing => "contexts",
            Self::Differing => "sketches",
            Self::Whole => "everything",
        }
    }
}

/// What the last chunk of a transfer carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Last {
    /// What the transfer has told.
    pub extent: Extent,
    /// Names what the receiver had seen when it asked, to which this is relative.
    pub seen: u32,
    /// What the source has seen at this instant, beyond what the receiver had seen when it asked.
    pub news: Context,
    /// What the receiver had seen then and the source has not.
    pub lacks: Context,
    /// The missing dots that the source's removal log cannot explain.
    pub floor: Context,
    /// The source's digest at this instant: a receiver with the same context must have the same.
    pub digest: Digest,
}

/// A transfer that cannot be believed. Nothing of it was applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// A live dot that its own source has not seen.
    #[error("the source sent the live dot {0:?} outside its own context")]
    OutsideContext(Dot),
    /// Symbols that are none, or not those that were asked for.
    #[error("the source sent symbols that were not asked for or cannot be")]
    Symbols,
    /// Questions about what was seen that nobody needs to ask.
    #[error("the source asked more about what was seen here than it can need")]
    Questions,
    /// It is the answer to another request: what the source has seen cannot be told from it.
    #[error("the source answered another request")]
    OtherRequest,
    /// It rests on a comparison that this replica does not know, or knows no longer.
    #[error("the source rests on a comparison that is not known here")]
    NotCompared,
}

impl Default for Seen {
    fn default() -> Self {
        Self::Whole(Context::default())
    }
}

/// Comparisons kept for the way back.
const KEPT_MAX: usize = 4;
/// Cells to be sent on the way back; with more another comparison is as good.
const PREPARED_CELLS_MAX: usize = 1 << 17;

impl Replica {
    /// What changed has to be known to all that compare or send.
    pub(super) fn tell_transfers(&mut self, id: &CellId) {
        if self.outbound.is_empty() && self.prepared.is_empty() && !self.live.is_recording() {
            return;
        }
        let outbound = self.outbound.values_mut().chain(self.prepared.values_mut());
        outbound.for_each(|outbound| outbound.changed(id, self.rules));
        let toggled = self.live.take_toggled();
        if !toggled.is_empty() {
            self.comparisons().for_each(|comparison| comparison.note(id, &toggled));
        }
        self.prepared.retain(|_, outbound| outbound.todo.len() <= PREPARED_CELLS_MAX);
    }

    /// A peer is gone, and with it what it might have asked for.
    pub fn forget_prepared(&mut self, peer: NodeId) {
        self.prepared.retain(|(of, _), _| *of != peer);
    }

    /// Changes are noted while somebody compares.
    fn note_comparisons(&mut self) {
        let on = self.comparisons().next().is_some();
        self.live.record(on);
    }

    fn comparisons(&mut self) -> impl Iterator<Item = &mut super::compare::Comparison> {
        let sending = self.outbound.values_mut().filter_map(|outbound| outbound.comparison.as_mut());
        sending.chain(self.receiving.values_mut()).chain(self.baselines.values_mut())
    }

    /// All our cells that are behind a target.
    fn cells_of<'a>(&'a self, target: &'a Target) -> BTreeSet<CellId> {
        match target {
            Target::Cell(id) => [id.clone()].into(),
            Target::Key(key) => {
                let entry = self.live.entry(key).into_iter().flat_map(super::live::Entry::cells);
                entry.map(|(path, _)| CellId { key: key.clone(), path: path.to_path() }).collect()
            }
        }
    }
}

/// Tells what was seen from anything else that was.
fn name_of(seen: &Context) -> u32 {
    let mut bytes = Vec::new();
    damson_crdt::codec::encode_context(&mut bytes, seen);
    xxhash_rust::xxh3::xxh3_64(&bytes) as u32
}

/// Keeps a few.
fn keep<K: Ord + Copy, V>(kept: &mut std::collections::BTreeMap<K, V>, key: K, value: V) {
    while kept.len() >= KEPT_MAX && !kept.contains_key(&key) {
        kept.pop_first();
    }
    kept.insert(key, value);
}

/// A peer and the number of its transfer.
pub(super) type Theirs = (NodeId, u64);
