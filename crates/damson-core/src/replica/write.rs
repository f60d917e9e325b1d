//! Local writes: one transaction becomes one atomic batch with one time.
//!
//! Each method checks before it changes anything, so that one that fails leaves nothing behind. What a transaction wrote
//! before a failing step stays, as in a Redis transaction: the caller decides whether to go on.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use damson_crdt::{
    Batch, Cell, CellId, Context, Dot, DotRange, Hlc, Key, Kills, Kind, Leaf, LimitError, Operation, Path,
    Payload, Rule, Target, view,
};
use smallvec::SmallVec;

use super::Replica;
use super::live::Entry;
use super::memory::{MemoryOf, Room};
use super::read::{Slot, View, integer};

/// A write that was refused. Nothing of it was applied.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The key or field is of another type.
    #[error("the key holds a {holds}, not a {wanted}; nothing was written")]
    WrongType {
        /// Its visible type.
        holds: Kind,
        /// The type that the operation needs.
        wanted: Kind,
    },
    /// Something is over its limit.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// Arithmetic on a string that is no number.
    #[error("the value is not an integer or out of range; nothing was written")]
    NotInteger,
    /// The result would not fit into 64 bits.
    #[error("increment or decrement would overflow; nothing was written")]
    Overflow,
    /// It would add to a state that is at its limit of memory. What frees memory is still possible; the state also grows by
    /// what other members write, beyond the limit too.
    #[error(
        "out of memory: the {name} holds {used_bytes} bytes, its limit is {limit_bytes}; nothing was written",
        name = of.name()
    )]
    OutOfMemory {
        /// Whose limit.
        of: MemoryOf,
        /// What is held, in bytes.
        used_bytes: u64,
        /// The limit, in bytes.
        limit_bytes: u64,
    },
    /// The node does not host the scope.
    #[error("this node does not host the scope; nothing was written")]
    NotHosted,
    /// There are too many scopes.
    #[error("the limit of {limit} scopes is reached; nothing was written")]
    TooManyScopes {
        /// The limit.
        limit: usize,
    },
    /// The disk has failed: nothing more is acknowledged.
    #[error("storage has failed, the write is not acknowledged: {cause}")]
    Storage {
        /// What the disk said.
        cause: String,
    },
    /// More waits to be sent, or to be stored, than should.
    #[error("{behind} is behind what is written; nothing was written, try again")]
    Busy {
        /// For what it waits.
        behind: Behind,
    },
    /// The node has stopped.
    #[error("the node has stopped; nothing was written")]
    Stopped,
    /// Too few members had it in time. It is written here, stays, and goes on to reach the others.
    #[error("{had} of the {wanted} members that should have the write had it in time; it stays")]
    Unacknowledged {
        /// How many had it, this node included.
        had: usize,
        /// How many should have.
        wanted: usize,
    },
    /// Too many wait for others already. It is written here, stays, and goes on to reach the others.
    #[error("the limit of {limit} waits for members is reached; the write stays")]
    TooManyWaits {
        /// The limit.
        limit: usize,
    },
    /// The node has stopped, or has found that another process writes in its name, before enough members had it. It is
    /// written here, and may reach the others.
    #[error("whether others have the write will not be known; it stays")]
    AcknowledgementUnknown,
}

/// What holds writers up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behind {
    /// The link to a peer.
    Link,
    /// The disk.
    Disk,
}

impl fmt::Display for Behind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "the link to a peer",
            Self::Disk => "the disk",
        })
    }
}

/// What a share of a counter takes, whatever it says.
const NUMBER: Payload = Payload::Total { epoch: 0, n: 0, base: (0, 0) };

/// A transaction: the operations of one atomic batch.
#[derive(Debug)]
pub struct Tx<'a> {
    pub(super) replica: &'a mut Replica,
    hlc: Hlc,
    wall_ms: u64,
    first: u64,
    ops: SmallVec<[Operation; 1]>,
    /// What the cells held at the beginning.
    pub(super) cell_bytes: u64,
    pub(super) room: Room,
}

impl Replica {
    /// Begins a transaction at a time that is greater than all that this node has seen.
    pub fn begin(&mut self, hlc: Hlc, wall_ms: u64) -> Tx<'_> {
        let first = self.context.top(self.actor) + 1;
        let cell_bytes = self.live.cell_bytes();
        Tx { replica: self, hlc, wall_ms, first, ops: SmallVec::new(), cell_bytes, room: Room::default() }
    }

    /// Have others left traces in our counters' cells that we have not absorbed?
    pub fn has_traces(&self) -> bool {
        !self.traces.is_empty()
    }

    /// Absorbs the traces that others left in our counters' cells; `None` when there are none.
    pub fn absorb_traces(&mut self, hlc: Hlc, wall_ms: u64) -> Option<Batch> {
        if self.traces.is_empty() {
            return None;
        }
        let traces = std::mem::take(&mut self.traces);
        let mut tx = self.begin(hlc, wall_ms);
        traces.iter().for_each(|id| tx.absorb(id));
        tx.commit()
    }
}

impl Tx<'_> {
    /// What is visible now, this transaction's own writes included.
    pub fn view(&self) -> View<'_> {
        self.replica.view(self.wall_ms)
    }

    /// The wall time of the transaction, in milliseconds since 1970.
    pub fn wall_ms(&self) -> u64 {
        self.wall_ms
    }

    /// Ends the transaction. `None` when nothing was written.
    pub fn commit(mut self) -> Option<Batch> {
        let ops: Arc<[Operation]> = match self.ops.len() {
            0 => return None,
            // Without a list in between.
            1 => Arc::new([self.ops.pop().expect("there is one")]),
            _ => self.ops.into_vec().into(),
        };
        self.replica.counters.written += 1;
        let batch = Batch { actor: self.replica.actor, first: self.first, hlc: self.hlc, ops };
        if self.replica.config.record_issued {
            self.replica.issued.push(batch.clone());
        }
        Some(batch)
    }

    /// Writes a last-writer-wins register. At a key itself this ends a time-to-live that [`Tx::expire`] gave it.
    pub fn put_register(
        &mut self,
        slot: &Slot,
        value: Bytes,
        expires_ms: Option<u64>,
    ) -> Result<(), WriteError> {
        self.check_value(&value)?;
        let (id, payload) = (slot.cell(Leaf::Register), Payload::Value { bytes: value, expires_ms });
        let was_plain = self.settle_for(slot, Kind::Register, &id, &payload)?;
        if !was_plain && slot.prefix == Path::root() {
            self.kill(&slot.cell(Leaf::Expiry));
        }
        self.put(id, payload);
        Ok(())
    }

    /// Writes a multi-value register: the values seen here are replaced, concurrent ones stay.
    pub fn put_multi(&mut self, slot: &Slot, value: Bytes) -> Result<(), WriteError> {
        self.check_value(&value)?;
        let (id, payload) = (slot.cell(Leaf::Multi), Payload::value(value));
        self.settle_for(slot, Kind::Multi, &id, &payload)?;
        self.put(id, payload);
        Ok(())
    }

    /// Sets a Redis string, whatever the key held before.
    pub fn set_text(&mut self, key: &Key, value: Bytes, expires_ms: Option<u64>) -> Result<(), WriteError> {
        self.check_value(&value)?;
        let slot = Slot::key(key.clone());
        self.check_slot(&slot)?;
        let (base, payload) = (slot.cell(Leaf::Text), Payload::Value { bytes: value, expires_ms });
        self.check_room(&base, &payload)?;
        self.clear_all_but(&slot, |id| *id == base);
        self.put(base, payload);
        Ok(())
    }

    /// Adds to the number in a Redis string, and returns the sum.
    pub fn add_text(&mut self, key: &Key, n: i64) -> Result<i64, WriteError> {
        let slot = Slot::key(key.clone());
        self.expect(&slot, Kind::Text)?;
        let now = match self.view().text(&slot) {
            Some(text) => integer(&text).ok_or(WriteError::NotInteger)?,
            None => 0,
        };
        let sum = now.checked_add(n).ok_or(WriteError::Overflow)?;
        let id = slot.cell(Leaf::TextCount(self.replica.actor));
        self.check_count(&slot, &id, n)?;
        self.settle_for(&slot, Kind::Text, &id, &NUMBER)?;
        self.count(id, n)?;
        Ok(sum)
    }

    /// Adds to a counter (a negative number subtracts), and returns the sum.
    pub fn add(&mut self, slot: &Slot, n: i64) -> Result<i64, WriteError> {
        self.expect(slot, Kind::Counter)?;
        let sum = self.view().counter(slot).unwrap_or(0).checked_add(n).ok_or(WriteError::Overflow)?;
        let id = slot.cell(Leaf::Count(self.replica.actor));
        self.check_count(slot, &id, n)?;
        self.settle_for(slot, Kind::Counter, &id, &NUMBER)?;
        self.count(id, n)?;
        Ok(sum)
    }

    /// Writes a number into a register that keeps the greatest.
    pub fn put_max(&mut self, slot: &Slot, n: i64) -> Result<(), WriteError> {
        let (id, payload) = (slot.cell(Leaf::Max), Payload::Max(n));
        self.settle_for(slot, Kind::Max, &id, &payload)?;
        if self.view().max(slot).is_none_or(|greatest| greatest < n) {
            self.put(id, payload);
        }
        Ok(())
    }

    /// Sets a flag whose enabling (`Kind::EnableWins`) or disabling (`Kind::DisableWins`) wins.
    ///
    /// # Panics
    /// With a kind that is no flag.
    pub fn set_flag(&mut self, slot: &Slot, kind: Kind, on: bool) -> Result<(), WriteError> {
        let leaf = match kind {
            Kind::EnableWins => Leaf::EnableWins,
            Kind::DisableWins => Leaf::DisableWins,
            other => panic!("{other} is no flag"),
        };
        let (id, payload) = (slot.cell(leaf), Payload::Flag(on));
        self.settle_for(slot, kind, &id, &payload)?;
        self.put(id, payload);
        Ok(())
    }

    /// Adds an element to a set. False when it was there already; it is written all the same, so that it survives a
    /// concurrent removal.
    pub fn set_add(&mut self, slot: &Slot, element: &[u8]) -> Result<bool, WriteError> {
        LimitError::check("set element bytes", element.len(), self.replica.limits().element_bytes_max)?;
        let id = slot.cell(Leaf::Element(element));
        self.settle_for(slot, Kind::Set, &id, &Payload::Present)?;
        // What was hidden is killed by now.
        Ok(!self.put(id, Payload::Present))
    }

    /// Removes an element from a set. False when it was not there.
    pub fn set_remove(&mut self, slot: &Slot, element: &[u8]) -> Result<bool, WriteError> {
        self.expect(slot, Kind::Set)?;
        if !self.view().set_contains(slot, element) {
            return Ok(false);
        }
        self.settle(slot, Kind::Set)?;
        Ok(self.kill(&slot.cell(Leaf::Element(element))))
    }

    /// Removes a field of a map, whatever its type. False when it was not there.
    pub fn map_remove(&mut self, slot: &Slot, name: &[u8]) -> Result<bool, WriteError> {
        self.expect(slot, Kind::Map)?;
        if !self.view().map_contains(slot, name) {
            return Ok(false);
        }
        self.settle(slot, Kind::Map)?;
        Ok(self.remove(&slot.field(name)))
    }

    /// Removes a key or a field of a map: all that is seen of it. False when it did not exist.
    pub fn remove(&mut self, slot: &Slot) -> bool {
        let existed = self.view().kind(slot).is_some();
        self.clear_all_but(slot, |_| false);
        existed
    }

    /// Removes keys that have ended and that nobody has killed yet, at most `keys_max`. Returns how many.
    pub fn remove_ended(&mut self, keys_max: usize) -> usize {
        let ended = self.replica.ended_before(self.wall_ms.saturating_add(1)).take(keys_max);
        let slots: Vec<Slot> = ended.map(|(_, key)| Slot::key(key.clone())).collect();
        slots.iter().for_each(|slot| _ = self.remove(slot));
        slots.len()
    }

    /// Sets when a key ends (milliseconds since 1970), or that it does not. False when the key does not exist.
    pub fn expire(&mut self, key: &Key, ends_ms: Option<u64>) -> Result<bool, WriteError> {
        let slot = Slot::key(key.clone());
        let exists = self.view().kind(&slot).is_some();
        if exists {
            let (id, payload) = (slot.cell(Leaf::Expiry), Payload::Expires(ends_ms));
            self.check_room(&id, &payload)?;
            self.put(id, payload);
        }
        Ok(exists)
    }

    /// How many operations the batch has so far.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// True when nothing was written so far.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    fn check_value(&self, value: &Bytes) -> Result<(), WriteError> {
        Ok(LimitError::check("value bytes", value.len(), self.replica.limits().value_bytes_max)?)
    }

    fn check_slot(&self, slot: &Slot) -> Result<(), WriteError> {
        let limits = self.replica.limits();
        LimitError::check("key bytes", slot.key.len(), limits.key_bytes_max)?;
        LimitError::check("depth of nested fields", slot.prefix.fields().count(), limits.depth_max)?;
        let longest = slot.prefix.fields().map(<[u8]>::len).max().unwrap_or(0);
        LimitError::check("field name bytes", longest, limits.element_bytes_max)?;
        // A write may take one operation for each concurrent actor besides its own; leave room well before the limit.
        Ok(LimitError::check("operations in a batch", self.ops.len() + 64, limits.batch_ops_max)?)
    }

    /// Is the slot of this type, or absent?
    fn expect(&self, slot: &Slot, wanted: Kind) -> Result<(), WriteError> {
        self.check_slot(slot)?;
        for outer in around(slot) {
            self.expect_here(&outer, Kind::Map)?;
        }
        self.expect_here(slot, wanted)
    }

    fn expect_here(&self, slot: &Slot, wanted: Kind) -> Result<(), WriteError> {
        match self.view().kind(slot) {
            Some(holds) if holds != wanted => Err(WriteError::WrongType { holds, wanted }),
            _ => Ok(()),
        }
    }

    /// Prepares a write of a type: refused when another type is visible; what is hidden, or expired, is killed first, here
    /// and around it (rule 7). So is a time-to-live that has outlived its key.
    fn settle(&mut self, slot: &Slot, wanted: Kind) -> Result<(), WriteError> {
        self.expect(slot, wanted)?;
        self.kill_hidden(slot, wanted);
        Ok(())
    }

    /// The same for a put, if there is room for what it is about to put. True when nothing had to be prepared.
    fn settle_for(
        &mut self,
        slot: &Slot,
        wanted: Kind,
        id: &CellId,
        payload: &Payload,
    ) -> Result<bool, WriteError> {
        let is_plain = self.is_plain(slot, wanted);
        if is_plain {
            self.check_slot(slot)?;
        } else {
            self.expect(slot, wanted)?;
        }
        self.check_room(id, payload)?;
        if !is_plain {
            self.kill_hidden(slot, wanted);
        }
        Ok(is_plain)
    }

    /// Is there nothing at this key, or nothing but what is visible and of this type? Nearly always.
    fn is_plain(&self, slot: &Slot, wanted: Kind) -> bool {
        let entry = || self.replica.live.entry(&slot.key);
        let is_only = |entry: &Entry| {
            let end_ms = entry.end_ms(self.replica.live.ties());
            entry.is_only(wanted) && end_ms.is_none_or(|end| end > self.wall_ms)
        };
        slot.prefix == Path::root() && entry().is_none_or(is_only)
    }

    fn kill_hidden(&mut self, slot: &Slot, wanted: Kind) {
        let Some(entry) = self.replica.live.entry(&slot.key) else { return };
        let expired = entry.end_ms(self.replica.live.ties()).is_some_and(|end| end <= self.wall_ms);
        if expired || (entry.has_expiry() && !entry.exists()) {
            self.clear_all_but(&Slot::key(slot.key.clone()), |_| false);
            return;
        }
        around(slot).for_each(|outer| self.settle_here(&outer, Kind::Map));
        self.settle_here(slot, wanted);
    }

    fn settle_here(&mut self, slot: &Slot, wanted: Kind) {
        let outer = self.replica.live.entry(&slot.key).and_then(|entry| entry.outer_kinds(&slot.prefix));
        if outer.is_some_and(|outer| outer != (wanted, wanted)) {
            let prefix = &slot.prefix;
            self.clear_all_but(slot, |id| id.path.kind_below(prefix).is_none_or(|kind| kind == wanted));
        }
    }

    /// Kills all that is seen below a slot but for what is kept. Counters are reset, the rest is cleared.
    fn clear_all_but(&mut self, slot: &Slot, keep: impl Fn(&CellId) -> bool) {
        let Some(entry) = self.replica.live.entry(&slot.key) else { return };
        let ids =
            entry.below(&slot.prefix).map(|(path, _)| CellId { key: slot.key.clone(), path: path.to_path() });
        let dying = ids.filter(|id| !keep(id));
        let (counters, plain): (Vec<_>, Vec<_>) =
            dying.partition(|id| matches!(id.path.last(), Leaf::Count(_) | Leaf::TextCount(_)));
        match plain.as_slice() {
            [] => {}
            [id] => _ = self.kill(id),
            many => {
                let cells = many.iter().filter_map(|id| self.replica.live.cell(id));
                let kills = Kills::of(cells.flat_map(|cell| cell.dots().iter().map(|live| live.dot)));
                self.issue(Operation { target: Target::Key(slot.key.clone()), kills, payload: None });
            }
        }
        counters.iter().for_each(|id| self.reset(id));
    }

    /// Takes away what is seen of one actor's share of a counter (rule 10).
    pub(super) fn reset(&mut self, id: &CellId) {
        let Some(cell) = self.replica.live.cell(id) else { return };
        // Where only traces are, there is nothing to take away.
        let spared = self.replica.rules.holds(Rule::ResetForgets);
        if self.replica.owns(id) {
            self.kill(id);
        } else if !spared || cell.dots().iter().any(|live| live.payload.is_substance()) {
            let trace = view::reset(cell, self.replica.rules);
            self.put(id.clone(), trace);
        }
    }

    /// Would the running total overflow, if this were added?
    fn check_count(&self, slot: &Slot, id: &CellId, n: i64) -> Result<(), WriteError> {
        // What is not visible is killed before it is added to.
        let cell = self.view().kind(slot).and_then(|_| self.replica.live.cell(id));
        let fits = cell.is_none_or(|cell| view::count(cell, 0, n, self.replica.rules).is_some());
        if fits { Ok(()) } else { Err(WriteError::Overflow) }
    }

    pub(super) fn count(&mut self, id: CellId, n: i64) -> Result<(), WriteError> {
        let empty = Cell::default();
        let cell = self.replica.live.cell(&id).unwrap_or(&empty);
        let payload =
            view::count(cell, self.next_dot().seq, n, self.replica.rules).ok_or(WriteError::Overflow)?;
        self.put(id, payload);
        Ok(())
    }

    fn absorb(&mut self, id: &CellId) {
        let seq = self.next_dot().seq;
        let absorbed =
            self.replica.live.cell(id).and_then(|cell| view::absorb(cell, seq, self.replica.rules));
        match absorbed {
            Some(Some(payload)) => _ = self.put(id.clone(), payload),
            Some(None) => _ = self.kill(id),
            None => {}
        }
    }

    /// Kills what is seen of a cell. False, and no operation, when there is nothing.
    fn kill(&mut self, id: &CellId) -> bool {
        let Some(kills) = self.kills(id) else { return false };
        self.issue(Operation { target: Target::Cell(id.clone()), kills, payload: None });
        true
    }

    /// Puts a payload into a cell. True when something was there.
    fn put(&mut self, id: CellId, payload: Payload) -> bool {
        let kills = self.kills(&id);
        let was_there = kills.is_some();
        let kills = kills.unwrap_or_default();
        self.issue(Operation { target: Target::Cell(id), kills, payload: Some(payload) });
        was_there
    }

    /// What a write to a cell kills: all that is alive there. In an own counter cell it may name our earlier operations
    /// as well, dead here, so that it is applied nowhere without them.
    fn kills(&self, id: &CellId) -> Option<Kills> {
        let cell = self.replica.live.cell(id)?;
        let next = self.next_dot();
        let ended = if self.replica.owns(id) { view::ended_up_to(cell, next.seq) } else { None };
        let Some(last) = ended else { return Some(cell.kills()) };
        let mut dots: Context = cell.dots().iter().map(|live| live.dot).collect();
        dots.insert_range(DotRange { actor: next.actor, first: 1, last });
        let ranges = dots.iter().flat_map(|(actor, seen)| {
            seen.pairs().iter().map(move |&(first, last)| DotRange { actor, first, last })
        });
        Some(Kills::from_ranges(ranges).expect("a context is in order"))
    }

    fn next_dot(&self) -> Dot {
        Dot::new(self.replica.actor, self.first + self.ops.len() as u64)
    }

    pub(super) fn issue(&mut self, op: Operation) {
        self.replica.remember_base();
        let dot = self.next_dot();
        self.replica.save_own_counter(&op);
        self.replica.execute(dot, self.hlc, &op);
        self.replica.cover(DotRange { actor: dot.actor, first: dot.seq, last: dot.seq });
        self.ops.push(op);
    }
}

/// The key and the fields in which a field lies, from the outside.
fn around(slot: &Slot) -> impl Iterator<Item = Slot> {
    slot.prefix.fields().scan(Slot::key(slot.key.clone()), |at, name| {
        let outer = at.clone();
        *at = at.field(name);
        Some(outer)
    })
}
