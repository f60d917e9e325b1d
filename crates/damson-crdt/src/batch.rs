//! Operations, and the atomic batches in which they travel.

use std::sync::Arc;

use crate::cell::{CellId, Key};
use crate::clock::Hlc;
use crate::dot::{Dot, DotRange, Kills};
use crate::id::Actor;
use crate::limits::{LimitError, Limits};
use crate::path::Leaf;
use crate::payload::Payload;

/// What an operation is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// One cell.
    Cell(CellId),
    /// Any cells of one key: a `clear`, which only kills.
    Key(Key),
}

/// One mutation: it kills the dots that its author saw, and may put a payload under its own dot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// The cell, or for a `clear` the key.
    pub target: Target,
    /// The dots that die.
    pub kills: Kills,
    /// What the operation's own dot says; `None` makes it a removal.
    pub payload: Option<Payload>,
}

/// Consecutive operations of one actor at one time: applied, seen and forwarded as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The author.
    pub actor: Actor,
    /// The number of the first operation.
    pub first: u64,
    /// When it was issued.
    pub hlc: Hlc,
    /// The operations; never empty. Batches are shared between links, buffers and the disk.
    pub ops: Arc<[Operation]>,
}

impl Target {
    /// The key.
    pub fn key(&self) -> &Key {
        match self {
            Self::Cell(cell) => &cell.key,
            Self::Key(key) => key,
        }
    }
}

impl Target {
    /// Bytes of its names.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Cell(cell) => cell.key.len() + cell.path.as_bytes().len(),
            Self::Key(key) => key.len(),
        }
    }
}

impl Operation {
    /// Is it well formed and within the limits? Says what is wrong.
    pub fn check(&self, limits: &Limits) -> Result<(), OperationFault> {
        LimitError::check("key bytes", self.target.key().len(), limits.key_bytes_max)?;
        LimitError::check("killed ranges", self.kills.ranges().len(), limits.ranges_max)?;
        if let Some(payload) = &self.payload {
            LimitError::check("value bytes", payload.user_bytes(), limits.value_bytes_max)?;
        }
        match (&self.target, &self.payload) {
            (Target::Key(_), Some(_)) => Err(OperationFault::ClearWithPayload),
            (Target::Cell(cell), Some(payload)) if !payload.fits(cell.path.last()) => {
                Err(OperationFault::Misfit)
            }
            _ => Ok(()),
        }
    }

    /// Only the actor of a counter cell may put a total there; another's total would count in its name.
    pub fn forges_total(&self, author: Actor) -> bool {
        let Target::Cell(cell) = &self.target else { return false };
        let owner = match cell.path.last() {
            Leaf::Count(owner) | Leaf::TextCount(owner) => owner,
            _ => return false,
        };
        matches!(self.payload, Some(Payload::Total { .. })) && owner != author
    }
}

/// An operation that no honest author issues. It is refused as a whole, with its batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OperationFault {
    /// Something is over a limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A `clear` does not put.
    #[error("a clear carries a payload")]
    ClearWithPayload,
    /// The payload is of another type than the cell.
    #[error("the payload does not fit the cell")]
    Misfit,
    /// A total in another actor's counter cell.
    #[error("a total in a counter cell of another actor")]
    ForgedTotal,
    /// It kills dots of its own batch that come later, or itself.
    #[error("an operation kills a dot that comes after it")]
    KillsAhead,
}

impl Batch {
    /// The number of the last operation.
    pub fn last(&self) -> u64 {
        self.first + self.ops.len() as u64 - 1
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let of = |op: &Operation| {
            let value = op.payload.as_ref().map_or(0, Payload::user_bytes);
            128 + op.target.bytes() + 40 * op.kills.ranges().len() + value
        };
        self.ops.iter().map(of).sum()
    }

    /// All its dots.
    pub fn range(&self) -> DotRange {
        DotRange { actor: self.actor, first: self.first, last: self.last() }
    }

    /// The operations with their dots.
    pub fn dotted(&self) -> impl Iterator<Item = (Dot, &Operation)> {
        (self.first..).map(|seq| Dot::new(self.actor, seq)).zip(self.ops.iter())
    }

    /// Is every operation of it well formed and within the limits?
    pub fn check(&self, limits: &Limits) -> Result<(), OperationFault> {
        LimitError::check("operations in a batch", self.ops.len(), limits.batch_ops_max)?;
        self.dotted().try_for_each(|(dot, op)| {
            op.check(limits)?;
            if op.forges_total(self.actor) {
                return Err(OperationFault::ForgedTotal);
            }
            let ahead = op.kills.ranges().iter().any(|r| r.actor == dot.actor && r.last >= dot.seq);
            if ahead { Err(OperationFault::KillsAhead) } else { Ok(()) }
        })
    }
}
