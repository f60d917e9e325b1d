//! EXPIRE and its relatives, PERSIST.

use damson::Tx;

use super::deadline::Form;
use super::error::{CommandError, Outcome, echo};
use super::slot;
use super::spec::{Command, Run};
use crate::resp::{Args, Reply};

pub(super) const EXPIRE: Command = Command::new("expire", -3, Run::Write(expire))
    .key()
    .fast()
    .about("generic", "Sets a key's time to live in seconds");
pub(super) const PEXPIRE: Command = Command::new("pexpire", -3, Run::Write(pexpire))
    .key()
    .fast()
    .about("generic", "Sets a key's time to live in milliseconds");
pub(super) const EXPIREAT: Command = Command::new("expireat", -3, Run::Write(expireat))
    .key()
    .fast()
    .about("generic", "Sets when a key ends, in seconds since 1970");
pub(super) const PEXPIREAT: Command = Command::new("pexpireat", -3, Run::Write(pexpireat))
    .key()
    .fast()
    .about("generic", "Sets when a key ends, in milliseconds since 1970");
pub(super) const PERSIST: Command = Command::new("persist", 2, Run::Write(persist))
    .key()
    .fast()
    .about("generic", "Takes away a key's time to live");

/// When a new time to live is taken.
#[derive(Debug, Clone, Copy, Default)]
struct Condition {
    if_none: bool,
    if_some: bool,
    if_later: bool,
    if_earlier: bool,
}

fn expire(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_end(tx, args, reply, Form::SECONDS, "expire")
}

fn pexpire(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_end(tx, args, reply, Form::MILLIS, "pexpire")
}

fn expireat(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_end(tx, args, reply, Form::AT_SECONDS, "expireat")
}

fn pexpireat(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    set_end(tx, args, reply, Form::AT_MILLIS, "pexpireat")
}

fn set_end(
    tx: &mut Tx<'_>,
    args: Args<'_>,
    reply: &mut Reply<'_>,
    form: Form,
    command: &'static str,
) -> Outcome {
    let condition = Condition::parse(args.from(3))?;
    let end = form.end_ms(args.at(2), tx.wall_ms(), command)?;
    let slot = slot(args.at(1));
    let holds = tx.view().ends_ms(&slot.key).is_some_and(|now| condition.holds(now, end));
    if holds && end <= tx.wall_ms() {
        // It has ended already: there is nothing to wait for.
        tx.remove(&slot);
    } else if holds {
        tx.expire(&slot.key, Some(end))?;
    }
    reply.bit(holds);
    Ok(())
}

fn persist(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let key = slot(args.at(1)).key;
    let ends = matches!(tx.view().ends_ms(&key), Some(Some(_)));
    if ends {
        tx.expire(&key, None)?;
    }
    reply.bit(ends);
    Ok(())
}

impl Condition {
    fn parse(options: Args<'_>) -> Result<Self, CommandError> {
        let mut out = Self::default();
        for option in options.iter() {
            match option.to_ascii_lowercase().as_slice() {
                b"nx" => out.if_none = true,
                b"xx" => out.if_some = true,
                b"gt" => out.if_later = true,
                b"lt" => out.if_earlier = true,
                _ => return Err(CommandError::argument(format!("ERR Unsupported option {}", echo(option)))),
            }
        }
        if out.if_none && (out.if_some || out.if_later || out.if_earlier) {
            let text = "ERR NX and XX, GT or LT options at the same time are not compatible";
            return Err(CommandError::argument(text));
        }
        if out.if_later && out.if_earlier {
            return Err(CommandError::argument("ERR GT and LT options at the same time are not compatible"));
        }
        Ok(out)
    }

    /// A key that does not end ends later than any other.
    fn holds(self, now: Option<u64>, new: u64) -> bool {
        !(self.if_none && now.is_some()
            || self.if_some && now.is_none()
            || self.if_later && now.is_none_or(|now| new <= now)
            || self.if_earlier && now.is_some_and(|now| new >= now))
    }
}
