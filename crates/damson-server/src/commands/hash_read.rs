//! The commands that read hashes: a hash is a map whose fields are registers.

use bytes::Bytes;
use damson::{Kind, Slot, View};

use super::error::{CommandError, Outcome};
use super::spec::{Command, Run};
use super::{expect, slot};
use crate::resp::{Args, Reply};

pub(super) const HGET: Command =
    Command::new("hget", 3, Run::Read(hget)).key().fast().about("hash", "Returns the value of a field");
pub(super) const HMGET: Command =
    Command::new("hmget", -3, Run::Read(hmget)).key().fast().about("hash", "Returns the values of fields");
pub(super) const HGETALL: Command = Command::new("hgetall", 2, Run::Read(hgetall))
    .key()
    .about("hash", "Returns all fields with their values");
pub(super) const HKEYS: Command =
    Command::new("hkeys", 2, Run::Read(hkeys)).key().about("hash", "Returns all fields");
pub(super) const HVALS: Command =
    Command::new("hvals", 2, Run::Read(hvals)).key().about("hash", "Returns all values");
pub(super) const HLEN: Command =
    Command::new("hlen", 2, Run::Read(hlen)).key().fast().about("hash", "Counts the fields");
pub(super) const HEXISTS: Command =
    Command::new("hexists", 3, Run::Read(hexists)).key().fast().about("hash", "Says whether a field exists");
pub(super) const HSTRLEN: Command = Command::new("hstrlen", 3, Run::Read(hstrlen))
    .key()
    .fast()
    .about("hash", "Returns the length of a value in bytes");

fn hget(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = hash(view, args)?;
    reply.optional(value(view, &slot, args.at(2))?.as_deref());
    Ok(())
}

fn hmget(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = hash(view, args)?;
    let names = args.from(2);
    reply.array(names.len());
    for name in names.iter() {
        reply.optional(value(view, &slot, name)?.as_deref());
    }
    Ok(())
}

fn hgetall(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = hash(view, args)?;
    reply.map(view.map_len(&slot));
    for name in view.map_fields(&slot) {
        reply.bulk(name);
        reply.optional(value(view, &slot, name)?.as_deref());
    }
    Ok(())
}

fn hkeys(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = hash(view, args)?;
    reply.array(view.map_len(&slot));
    view.map_fields(&slot).for_each(|name| reply.bulk(name));
    Ok(())
}

fn hvals(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = hash(view, args)?;
    reply.array(view.map_len(&slot));
    for name in view.map_fields(&slot) {
        reply.optional(value(view, &slot, name)?.as_deref());
    }
    Ok(())
}

fn hlen(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = hash(view, args)?;
    reply.count(view.map_len(&slot));
    Ok(())
}

fn hexists(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = hash(view, args)?;
    reply.bit(view.map_contains(&slot, args.at(2)));
    Ok(())
}

fn hstrlen(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = hash(view, args)?;
    reply.count(value(view, &slot, args.at(2))?.map_or(0, |value| value.len()));
    Ok(())
}

fn hash(view: View<'_>, args: Args<'_>) -> Result<Slot, CommandError> {
    let slot = slot(args.at(1));
    expect(view, &slot, Kind::Map)?;
    Ok(slot)
}

/// The value of a field. What the library keeps in fields besides registers is shown when it is one number.
fn value(view: View<'_>, slot: &Slot, name: &[u8]) -> Result<Option<Bytes>, CommandError> {
    if let Some(value) = view.map_get(slot, name) {
        return Ok(Some(value));
    }
    let field = slot.field(name);
    let number = match view.kind(&field) {
        None => return Ok(None),
        Some(Kind::Counter) => view.counter(&field),
        Some(Kind::Max) => view.max(&field),
        Some(Kind::EnableWins | Kind::DisableWins) => view.flag(&field).map(i64::from),
        Some(_) => return Err(CommandError::WrongType),
    };
    Ok(number.map(|n| n.to_string().into()))
}
