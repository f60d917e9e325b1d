//! Durable rows: what a node wants kept, in memory or on disk, behind one trait.
//!
//! The core emits groups of [`Row`](damson_core::persist::Row)s; the driver collects groups, hands them to a [`Store`]
//! as one atomic batch and tells the core how durable it became. On a start the store is read once, row by row;
//! after that it is only written.
//!
//! # Driving it
//!
//! 1. [`DataDir::open`] takes the directory, for this process alone.
//! 2. [`FjallStore::open`]. [`StoreError::Damaged`] means that the database cannot be trusted:
//!    [`DataDir::set_aside`] keeps it as evidence, and a second open begins empty.
//! 3. [`Store::load`], and look at the [`LoadReport`]: a replica with damage must not claim to know what it lost.
//! 4. [`Store::take_mark`], before the first write of this life. Without a mark the node begins a new life.
//! 5. [`Store::commit`], many times, and [`Store::flush`] at each interval.
//! 6. [`Store::leave_mark`], last. A commit after it removes the mark again, because what it says is no longer true.
//!
//! [`Store::snapshot`], at any time, gives the rows of one instant to a reader elsewhere.
//!
//! All calls block, and those that flush wait for the disk: they belong on a thread of their own.
//!
//! # On disk
//!
//! ```text
//! <dir>/lock                  locked by the owning process; never deleted
//! <dir>/format                "damson-store <version>\n"
//! <dir>/database/rows/        the fjall database: one keyspace for each table, one journal
//! <dir>/database/clean-stop   the mark of a clean stop, only while the node is down
//! <dir>/database/journal-cut  bytes that a clean stop had written and an open could not read
//! <dir>/damaged-<n>/          databases that were set aside, with their marks
//! <dir>/forgotten-<n>/        databases of a member that was forgotten and began again
//! <dir>/database.new/         a database whose creation was cut short; removed by the next open
//! <dir>/database.next/        a database that was to take a damaged one's place; see [`FjallStore::replace`]
//! ```
//!
//! The mark lies beside the rows it speaks of, so that the two are set aside, copied and restored together.

mod batch;
mod data_dir;
pub mod durable_file;
mod error;
mod exchange;
mod fjall_store;
mod format;
mod health;
mod journal_tail;
mod mark;
mod memory;
mod read_ahead;
mod room;
mod seal;
mod snapshot;
mod store;
mod torn_journal;

pub use batch::{ROW_KEY_BYTES_MAX, ROW_VALUE_BYTES_MAX};
pub use data_dir::DataDir;
pub use error::StoreError;
pub use fjall_store::FjallStore;
pub use mark::MARK_BYTES_MAX;
pub use memory::MemoryStore;
pub use snapshot::{Position, Snapshot, VisitSome};
pub use store::{Durability, LoadReport, Store, Visit};
