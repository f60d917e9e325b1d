//! SETEX, PSETEX and SETNX: older forms of SET.

use bytes::Bytes;
use damson::Tx;

use super::deadline::Form;
use super::error::Outcome;
use super::set::put;
use super::slot;
use super::spec::{Command, Run};
use crate::resp::{Args, Reply};

pub(super) const SETEX: Command = Command::new("setex", 4, Run::Write(setex))
    .key()
    .about("string", "Sets a string with a time to live in seconds");
pub(super) const PSETEX: Command = Command::new("psetex", 4, Run::Write(psetex))
    .key()
    .about("string", "Sets a string with a time to live in milliseconds");
pub(super) const SETNX: Command = Command::new("setnx", 3, Run::Write(setnx))
    .key()
    .fast()
    .about("string", "Sets a string at a key that does not exist");

fn setex(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_ending(tx, args, reply, Form::SECONDS, "setex")
}

fn psetex(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_ending(tx, args, reply, Form::MILLIS, "psetex")
}

fn set_ending(
    tx: &mut Tx<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    form: Form,
    command: &'static str,
) -> Outcome {
    let end = form.positive_end_ms(args.at(2), tx.wall_ms(), command)?;
    put(tx, &slot(args.at(1)), Bytes::copy_from_slice(args.at(3)), Some(end))?;
    reply.ok();
    Ok(())
}

fn setnx(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = slot(args.at(1));
    let new = tx.view().kind(&slot).is_none();
    if new {
        put(tx, &slot, Bytes::copy_from_slice(args.at(2)), None)?;
    }
    reply.bit(new);
    Ok(())
}
