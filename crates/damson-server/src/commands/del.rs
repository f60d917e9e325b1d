//! DEL and UNLINK: the same here, since removing a key is one small operation whatever it holds.

use damson::Tx;

use super::error::{CommandError, Outcome};
use super::slot;
use super::spec::{Command, Run};
use crate::resp::{Args, Reply};

pub(super) const DEL: Command =
    Command::new("del", -2, Run::Write(del)).keys(1, -1, 1).per_write(1, 2).about("generic", "Deletes keys");

pub(super) const UNLINK: Command = Command::new("unlink", -2, Run::Write(del))
    .keys(1, -1, 1)
    .per_write(1, 2)
    .about("generic", "Deletes keys");

fn del(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let mut deleted = 0;
    for key in args.from(1).iter() {
        deleted += usize::from(tx.remove(&slot(key)));
        check_room(tx)?;
    }
    reply.count(deleted);
    Ok(())
}

/// A key that many nodes count in takes an operation for each of them. The check before the command knows one or two.
fn check_room(tx: &Tx<'_>) -> Outcome {
    let limit = damson::Limits::default().batch_ops_max;
    if tx.len() + 1_024 <= limit {
        return Ok(());
    }
    Err(CommandError::argument(format!(
        "ERR the limit of {limit} operations in a batch is reached; the keys before that were deleted, try again"
    )))
}
