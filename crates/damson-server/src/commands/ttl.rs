//! TTL and its relatives: how long a key has to live.

use damson::View;

use super::error::Outcome;
use super::slot;
use super::spec::{Command, Run};
use super::time::since_1970;
use crate::resp::{Args, Reply};

pub(super) const TTL: Command = Command::new("ttl", 2, Run::Read(ttl))
    .key()
    .fast()
    .about("generic", "Returns a key's time to live in seconds");
pub(super) const PTTL: Command = Command::new("pttl", 2, Run::Read(pttl))
    .key()
    .fast()
    .about("generic", "Returns a key's time to live in milliseconds");
pub(super) const EXPIRETIME: Command = Command::new("expiretime", 2, Run::Read(expiretime))
    .key()
    .fast()
    .about("generic", "Returns when a key ends, in seconds since 1970");
pub(super) const PEXPIRETIME: Command = Command::new("pexpiretime", 2, Run::Read(pexpiretime))
    .key()
    .fast()
    .about("generic", "Returns when a key ends, in milliseconds since 1970");

/// No such key, and a key that does not end.
const MISSING: i64 = -2;
const ENDLESS: i64 = -1;

fn ttl(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell(view, args, reply, |end| left(end).saturating_add(500) / 1_000)
}

fn pttl(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell(view, args, reply, left)
}

fn expiretime(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell(view, args, reply, |end| end / 1_000)
}

fn pexpiretime(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    tell(view, args, reply, |end| end)
}

fn tell(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>, shown: impl Fn(i64) -> i64) -> Outcome {
    reply.integer(match view.ends_ms(&slot(args.at(1)).key) {
        None => MISSING,
        Some(None) => ENDLESS,
        Some(Some(end)) => shown(i64::try_from(end).unwrap_or(i64::MAX)),
    });
    Ok(())
}

fn left(end_ms: i64) -> i64 {
    let now = i64::try_from(since_1970().as_millis()).unwrap_or(i64::MAX);
    (end_ms - now).max(0)
}
