//! The commands, one file for each, or for each small family.
//!
//! A command is an entry of [`TABLE`]: name, arity, keys and a function. What kind of function it is says what it may
//! do: [`Run::Read`] has a consistent look at the selected database, [`Run::Write`] a transaction (so one command is one
//! atomic batch), [`Run::Session`] changes only the conversation, [`Run::Long`] goes over a whole database in steps and
//! lets others work in between. WAIT leaves its reply to the connection. A write checks everything before it writes anything.

mod auth;
mod client;
mod command;
mod config;
mod dbsize;
mod deadline;
mod del;
mod echo;
mod error;
mod exists;
mod expire;
mod flush;
mod get;
mod glob;
mod hash_read;
mod hash_write;
mod hello;
mod incr;
mod info;
mod keys;
mod mget;
mod mset;
mod ping;
mod quit;
mod reset;
mod scan;
mod select;
mod set;
mod set_read;
mod set_write;
mod setex;
mod spec;
mod strlen;
mod table;
mod time;
mod ttl;
mod type_;
mod wait;

use damson::{LimitError, Slot, Tx, View, WriteError};

use crate::config::FrontLimits;
use crate::resp::Args;

pub(crate) use error::{CommandError, Outcome};
pub(crate) use spec::{Command, Run};
pub(crate) use table::{TABLE, find};

/// Checks the length of every key, and that one atomic batch holds the command.
pub(crate) fn check_keys(
    command: &Command,
    args: Args<'_>,
    limits: &FrontLimits,
) -> Result<(), CommandError> {
    let key_bytes_max = damson::Limits::default().key_bytes_max;
    for key in command.keys_of(args) {
        LimitError::check("key bytes", key.len(), key_bytes_max)?;
    }
    Ok(LimitError::check("operations in a batch", command.operations(args), limits.writes_max)?)
}

/// Checks the length of set elements or names of fields.
fn check_elements<'a>(elements: impl Iterator<Item = &'a [u8]>) -> Result<(), CommandError> {
    let limit = damson::Limits::default().element_bytes_max;
    for element in elements {
        LimitError::check("set element or field bytes", element.len(), limit)?;
    }
    Ok(())
}

/// About what an argument of a write takes besides itself, in bytes: docs/replication.md has the cost of entries.
const ARGUMENT_BYTES: usize = 256;

/// A command of several writes is refused for memory as a whole, or not at all: even one that would only overwrite, as in
/// Redis. A command of one write does not need this, and is decided on exactly.
fn admit(tx: &mut Tx<'_>, args: Args<'_>) -> Outcome {
    let bytes: usize = args.iter().map(|arg| arg.len() + ARGUMENT_BYTES).sum();
    Ok(tx.admit(bytes as u64)?)
}

fn slot(key: &[u8]) -> Slot {
    Slot::key(bytes::Bytes::copy_from_slice(key))
}

/// Fails when the key exists and is of another type.
fn expect(view: View<'_>, slot: &Slot, wanted: damson::Kind) -> Outcome {
    match view.kind(slot) {
        Some(holds) if holds != wanted => Err(WriteError::WrongType { holds, wanted }.into()),
        _ => Ok(()),
    }
}
