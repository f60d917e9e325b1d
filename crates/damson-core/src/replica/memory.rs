//! What a replica holds in memory, and local writes that would hold too much.
//!
//! The count follows each change at a cost that does not depend on the state (`live/cost`). A limit concerns local writes
//! only: what the cluster has agreed on is taken and counted, because a replica that refuses a part of it is no replica.
//! What frees memory goes on, and so does what the node does by itself: ended keys, traces, the roster.

use damson_crdt::{CellId, Leaf, Payload};

use super::{Replica, Tx, WriteError};

/// What is held, and what may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MemoryUse {
    /// What is counted, in bytes.
    pub used_bytes: u64,
    /// From where on local writes that add are refused, in bytes; `None` for no limit.
    pub limit_bytes: Option<u64>,
}

/// How near the limit is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum MemoryLevel {
    /// Far enough, or there is none.
    #[default]
    Fine,
    /// From nine tenths on: time to delete something, or to raise the limit.
    Short,
    /// From 99 hundredths on: writes that add something are refused, or will be next.
    Full,
}

/// Whose limit a write would exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryOf {
    /// That of its scope.
    Scope,
    /// That of the node, for all scopes together.
    Node,
}

/// The limit that a transaction has, besides that of its scope.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// What other scopes hold, and the limit of all.
    node: Option<(u64, u64)>,
    /// The batch was decided on as a whole.
    admitted: bool,
}

impl MemoryUse {
    /// How near the limit is.
    pub fn level(self) -> MemoryLevel {
        let Some(limit) = self.limit_bytes else { return MemoryLevel::Fine };
        let hundredths = |n: u64| limit / 100 * n + limit % 100 * n / 100;
        match self.used_bytes {
            used if used >= hundredths(99) => MemoryLevel::Full,
            used if used >= hundredths(90) => MemoryLevel::Short,
            _ => MemoryLevel::Fine,
        }
    }
}

impl MemoryLevel {
    /// A word for people and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fine => "fine",
            Self::Short => "short",
            Self::Full => "full",
        }
    }
}

impl MemoryOf {
    /// A word for errors.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scope => "scope",
            Self::Node => "node",
        }
    }
}

impl Replica {
    /// Sets, or lifts, the limit of this scope.
    pub fn limit_memory(&mut self, limit_bytes: Option<u64>) {
        self.memory_bytes_max = limit_bytes;
    }

    /// What it holds: keys, cells, payloads, the index of dots, the log of removals, batches that wait. Not the context, which
    /// nothing a client does makes smaller, nor what transfers have under way.
    pub fn memory(&self) -> MemoryUse {
        let used_bytes = self.live.memory_bytes() + self.removals.bytes() + self.waiting.bytes();
        MemoryUse { used_bytes, limit_bytes: self.memory_bytes_max }
    }

    /// What [`Replica::memory`] counts, counted anew from all that is held: for tests and simulators, which compare the two.
    pub fn memory_bytes_again(&self) -> u64 {
        self.live.memory_bytes_again() + self.removals.bytes_again() + self.waiting.bytes_again()
    }

    /// Forgets the oldest removals, until the rest takes at most half as much as is permitted. The floor says what that means
    /// for peers that lag behind. False when they take no more than that.
    pub fn shorten_removals(&mut self, bytes_max: u64) -> bool {
        let (bytes, len) = (self.removals.bytes(), self.removals.len() as u64);
        let is_long = bytes > bytes_max;
        if is_long {
            let keep = u128::from(len) * u128::from(bytes_max / 2) / u128::from(bytes);
            self.truncate_removals(usize::try_from(keep).unwrap_or(usize::MAX));
        }
        is_long
    }
}

impl Tx<'_> {
    /// Puts the transaction under a limit of the node besides that of its scope; `others_bytes` is what its other scopes hold.
    #[must_use]
    pub fn within(mut self, others_bytes: u64, limit_bytes: u64) -> Self {
        self.room.node = Some((others_bytes, limit_bytes));
        self
    }

    /// Decides on the batch as a whole, as one that adds about so many bytes: once this has succeeded no step is refused for
    /// memory any more. Without it each step is decided on by itself, and one that is refused leaves those before it.
    ///
    /// # Errors
    /// [`WriteError::OutOfMemory`] when there is not as much room.
    pub fn admit(&mut self, bytes: u64) -> Result<(), WriteError> {
        self.check_fits(bytes)?;
        self.room.admitted = true;
        Ok(())
    }

    /// May a cell come to hold this? Yes, if nothing grows by it, if there is room, or if the batch has freed as much before.
    pub(super) fn check_room(&mut self, id: &CellId, payload: &Payload) -> Result<(), WriteError> {
        let is_limited = self.room.node.is_some() || self.replica.memory_bytes_max.is_some();
        if !is_limited || self.room.admitted {
            return Ok(());
        }
        let live = &self.replica.live;
        let growth = live.growth(id, payload, stands_alone(id));
        if growth <= 0 || live.cell_bytes().saturating_add_signed(growth) <= self.cell_bytes {
            return Ok(());
        }
        self.check_fits(growth.unsigned_abs())
    }

    fn check_fits(&mut self, bytes: u64) -> Result<(), WriteError> {
        let used = self.replica.memory().used_bytes;
        let scope = self.replica.memory_bytes_max.map(|limit| (MemoryOf::Scope, used, limit));
        let node = self.room.node.map(|(others, limit)| (MemoryOf::Node, others.saturating_add(used), limit));
        let is_over = |(_, used, limit): &(MemoryOf, u64, u64)| used.saturating_add(bytes) > *limit;
        let Some((of, used_bytes, limit_bytes)) = scope.into_iter().chain(node).find(is_over) else {
            return Ok(());
        };
        self.replica.counters.out_of_memory += 1;
        Err(WriteError::OutOfMemory { of, used_bytes, limit_bytes })
    }
}

/// Is this cell all that a key holds, once it is written? What a cell of another kind held there is taken away by the write.
fn stands_alone(id: &CellId) -> bool {
    let plain = id.path.last_if_plain();
    plain.is_some_and(|leaf| {
        !matches!(leaf, Leaf::Expiry | Leaf::Count(_) | Leaf::TextCount(_) | Leaf::Element(_))
    })
}
