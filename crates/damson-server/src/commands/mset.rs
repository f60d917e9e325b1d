//! MSET and MSETNX: all keys in one atomic batch.

use bytes::Bytes;
use damson::Tx;

use super::error::{CommandError, Outcome};
use super::spec::{Command, Run};
use super::{admit, slot};
use crate::resp::{Args, Reply};

pub(super) const MSET: Command = Command::new("mset", -3, Run::Write(mset))
    .keys(1, -1, 2)
    .per_write(2, 2)
    .about("string", "Sets strings at keys");
pub(super) const MSETNX: Command = Command::new("msetnx", -3, Run::Write(msetnx))
    .keys(1, -1, 2)
    .per_write(2, 2)
    .about("string", "Sets strings at keys of which none exists");

fn mset(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    check_pairs(args, "mset")?;
    put(tx, args)?;
    reply.ok();
    Ok(())
}

fn msetnx(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    check_pairs(args, "msetnx")?;
    let none = args.from(1).pairs().all(|(key, _)| tx.view().kind(&slot(key)).is_none());
    if none {
        put(tx, args)?;
    }
    reply.bit(none);
    Ok(())
}

fn check_pairs(args: Args<'_>, command: &str) -> Outcome {
    if args.len().is_multiple_of(2) { Err(CommandError::Arity { command: command.into() }) } else { Ok(()) }
}

fn put(tx: &mut Tx<'_>, args: Args<'_>) -> Outcome {
    if args.len() > 3 {
        admit(tx, args.from(1))?;
    }
    for (key, value) in args.from(1).pairs() {
        tx.set_text(&slot(key).key, Bytes::copy_from_slice(value), None)?;
    }
    Ok(())
}
