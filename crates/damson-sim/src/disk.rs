//! A node's disk: rows, written in atomic groups, and what of them survives which accident.
//!
//! ```text
//!   Persist --> written (a crash of the process keeps it) --> flushed (a power failure keeps it)
//! ```
//! Groups reach the disk in their order. A flush takes what was written before it began; then the next begins.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use damson_core::persist::{Row, Table};
use damson_core::time::Time;

/// Rows by table and key.
pub(crate) type Rows = BTreeMap<(Table, Bytes), Bytes>;

/// One disk. Replacing it by another image is another generation, so that old flushes do not count for it.
#[derive(Debug, Default)]
pub(crate) struct Disk {
    rows: Rows,
    tail: VecDeque<Group>,
    /// What a clean stop left.
    pub mark: Option<Bytes>,
    pub generation: u64,
    /// Groups taken in since the generation began.
    taken: u64,
    flushing: bool,
}

/// What a disk held at one instant.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub rows: Rows,
    pub mark: Option<Bytes>,
}

#[derive(Debug)]
struct Group {
    rows: Vec<Row>,
    ticket: u64,
    /// When the write returns.
    written: Time,
}

impl Disk {
    /// Takes a group. True when a flush has to begin.
    pub fn write(&mut self, rows: Vec<Row>, ticket: u64, written: Time) -> bool {
        let after = self.tail.back().map_or(written, |last| written.max(last.written));
        self.tail.push_back(Group { rows, ticket, written: after });
        self.taken += 1;
        !std::mem::replace(&mut self.flushing, true)
    }

    /// How many groups a flush that begins now will have covered.
    pub fn taken(&self) -> u64 {
        self.taken
    }

    /// A flush has ended. Returns the newest ticket that is durable by it, and whether another flush has to begin.
    pub fn flushed(&mut self, groups: u64) -> (Option<u64>, bool) {
        let still = self.taken - groups;
        let mut ticket = None;
        while self.tail.len() as u64 > still {
            ticket = self.apply_first().or(ticket);
        }
        self.flushing = !self.tail.is_empty();
        (ticket, self.flushing)
    }

    /// All is written and flushed, as at a clean stop.
    pub fn flush_all(&mut self) {
        while self.apply_first().is_some() {}
    }

    /// The process ends: what was written by then stays.
    pub fn process_crash(&mut self, now: Time) {
        while self.tail.front().is_some_and(|group| group.written <= now) {
            self.apply_first();
        }
        self.forget_tail();
    }

    /// The power fails: of what is not flushed the first `kept` groups happen to be there.
    pub fn power_failure(&mut self, kept: usize) {
        for _ in 0..kept {
            self.apply_first();
        }
        self.forget_tail();
    }

    /// How many groups are not flushed.
    pub fn unflushed(&self) -> usize {
        self.tail.len()
    }

    /// What a power failure now would certainly leave.
    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    pub fn image(&self) -> Image {
        Image { rows: self.rows.clone(), mark: self.mark.clone() }
    }

    /// Another disk, or the same one set back.
    pub fn replace(&mut self, image: Image) {
        self.forget_tail();
        (self.rows, self.mark) = (image.rows, image.mark);
    }

    fn apply_first(&mut self) -> Option<u64> {
        let group = self.tail.pop_front()?;
        for row in group.rows {
            match row.value {
                Some(value) => _ = self.rows.insert((row.table, row.key), value),
                None => _ = self.rows.remove(&(row.table, row.key)),
            }
        }
        Some(group.ticket)
    }

    fn forget_tail(&mut self) {
        self.tail.clear();
        self.generation += 1;
        self.taken = 0;
        self.flushing = false;
    }
}

impl Image {
    pub fn empty() -> Self {
        Self { rows: Rows::new(), mark: None }
    }
}
