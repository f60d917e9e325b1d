//! A store of one's own, for [`NodeBuilder::store`](crate::NodeBuilder::store).
//!
//! A node reads its store once, at the start, and only writes it after that, from one thread. [`Store`] has the contract,
//! method by method; what rests on it:
//! - a batch of rows is atomic: after a crash all of it is there or none;
//! - what was committed with [`Durability::Flushed`], or before a [`Store::flush`], is there after a power failure; what
//!   was committed with [`Durability::Written`] after a crash of the process;
//! - a mark is given back once, and is gone before [`Store::take_mark`] returns. A mark that could be seen twice would have two lives write
//!   under one name, and a counter would count wrongly;
//! - after a failed write nothing is written any more, until [`Store::reopen`].
//!
//! Rows are opaque; the node recognises damage in what they say, but not rows that are missing: a store that loses some in
//! silence loses what they held. [`MemoryStore`] is an example that is short enough to read.

pub use damson_core::persist::{Row, Table};
pub use damson_store::{
    Durability, LoadReport, MemoryStore, Position, Snapshot, Store, StoreError, Visit, VisitSome,
};
