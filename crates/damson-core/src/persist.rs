//! What a node wants kept on disk: rows, written in atomic groups.
//!
//! The core never touches a disk. It emits groups of rows as an effect and hears, by ticket, when a group is as durable
//! as the scope asked. A group is atomic: after a crash either all of its rows are there or none.

use bytes::Bytes;

/// The row of [`Table::Meta`] that holds the node's life: no scope has a name of length zero.
pub const LIFE_KEY: &[u8] = b"\0life";

/// The kind of a row. The number is part of the disk format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Live dots of one cell.
    Cells = 0,
    /// The sequence numbers seen of one actor in one scope.
    Contexts = 1,
    /// Recent removals, and the floor below which they are no longer known.
    Removals = 2,
    /// What belongs to the node as a whole.
    Meta = 3,
}

impl Table {
    /// All tables, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Cells, Self::Contexts, Self::Removals, Self::Meta];
}

/// One change of the disk: a row set (`Some`) or removed (`None`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The table it belongs to.
    pub table: Table,
    /// Its key, unique within the table.
    pub key: Bytes,
    /// The new contents; `None` removes the row.
    pub value: Option<Bytes>,
}
