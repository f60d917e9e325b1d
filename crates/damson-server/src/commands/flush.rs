//! FLUSHALL and FLUSHDB: key by key, in batches of some thousand.
//!
//! The keys that exist when the command meets them are removed; others work in between. So it is not one atomic batch,
//! as every other write is: a database may be larger than any batch.

use damson::{Key, Scope, Slot, WriteError};

use super::error::{CommandError, Outcome};
use super::spec::{BoxFuture, Command, Run};
use crate::redis::Session;
use crate::resp::{Args, Reply};

pub(super) const FLUSHALL: Command =
    Command::new("flushall", -1, Run::Long(flush_all)).about("server", "Removes all keys of all databases");
pub(super) const FLUSHDB: Command = Command::new("flushdb", -1, Run::Long(flush_database))
    .about("server", "Removes all keys of the selected database");

/// Keys in one batch.
const KEYS_AT_ONCE: usize = 2_048;

fn flush_all<'a>(session: &'a Session, args: Args<'a>, reply: Reply<'a>) -> BoxFuture<'a> {
    Box::pin(flush(&session.front.databases, args, reply))
}

fn flush_database<'a>(session: &'a Session, args: Args<'a>, reply: Reply<'a>) -> BoxFuture<'a> {
    Box::pin(flush(std::slice::from_ref(session.scope()), args, reply))
}

async fn flush(databases: &[Scope], args: Args<'_>, mut reply: Reply<'_>) -> Outcome {
    match args.get(1).map(<[u8]>::to_ascii_lowercase).as_deref() {
        None | Some(b"async" | b"sync") if args.len() <= 2 => {}
        _ => return Err(CommandError::Syntax),
    }
    for scope in databases {
        empty(scope).await?;
    }
    reply.ok();
    Ok(())
}

async fn empty(scope: &Scope) -> Result<(), WriteError> {
    let mut cursor = Some(0);
    while let Some(from) = cursor {
        let step = scope.read(|view| view.scan(from, KEYS_AT_ONCE));
        cursor = step.next;
        let mut rest = step.keys.into_iter().map(|(key, _)| key).peekable();
        while rest.peek().is_some() {
            // Waiting for each batch keeps the queue of the disk short.
            scope.write(|tx| remove_some(tx, &mut rest)).await?;
            tokio::task::yield_now().await;
        }
    }
    // Ended keys are invisible to the scan, and still there until a member kills them.
    while scope.write(|tx| Ok(tx.remove_ended(KEYS_AT_ONCE))).await? > 0 {}
    Ok(())
}

/// Removes keys until the batch is full: most take one operation, counters one for each node that counted.
fn remove_some(tx: &mut damson::Tx<'_>, keys: &mut impl Iterator<Item = Key>) -> Result<(), WriteError> {
    while tx.len() < 2 * KEYS_AT_ONCE
        && let Some(key) = keys.next()
    {
        tx.remove(&Slot::key(key));
    }
    Ok(())
}
