//! INCR, DECR, INCRBY, DECRBY: what was added survives a concurrent SET by another node.

use damson::Tx;

use super::error::{CommandError, Outcome};
use super::slot;
use super::spec::{Command, Run};
use crate::resp::{Args, Reply, parse_i64};

pub(super) const INCR: Command =
    Command::new("incr", 2, Run::Write(incr)).key().fast().about("string", "Adds one to a number");
pub(super) const DECR: Command =
    Command::new("decr", 2, Run::Write(decr)).key().fast().about("string", "Subtracts one from a number");
pub(super) const INCRBY: Command =
    Command::new("incrby", 3, Run::Write(incrby)).key().fast().about("string", "Adds to a number");
pub(super) const DECRBY: Command =
    Command::new("decrby", 3, Run::Write(decrby)).key().fast().about("string", "Subtracts from a number");

fn incr(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(tx, args, 1, reply)
}

fn decr(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(tx, args, -1, reply)
}

fn incrby(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    add(tx, args, number(args)?, reply)
}

fn decrby(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let n = number(args)?.checked_neg().ok_or(CommandError::DecrementOverflow)?;
    add(tx, args, n, reply)
}

fn number(args: Args<'_>) -> Result<i64, CommandError> {
    parse_i64(args.at(2)).ok_or(CommandError::NotInteger)
}

fn add(tx: &mut Tx<'_>, args: Args<'_>, n: i64, reply: &mut Reply<'_>) -> Outcome {
    let sum = tx.add_text(&slot(args.at(1)).key, n)?;
    reply.integer(sum);
    Ok(())
}
