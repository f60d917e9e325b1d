//! The commands that write hashes.

use bytes::Bytes;
use damson::{Kind, Slot, Tx};

use super::error::{CommandError, Outcome};
use super::spec::{Command, Run};
use super::{admit, check_elements, expect, slot};
use crate::resp::{Args, Reply};

pub(super) const HSET: Command =
    Command::new("hset", -4, Run::Write(hset)).key().per_write(2, 1).fast().about("hash", "Sets fields");
pub(super) const HMSET: Command =
    Command::new("hmset", -4, Run::Write(hmset)).key().per_write(2, 1).fast().about("hash", "Sets fields");
pub(super) const HSETNX: Command = Command::new("hsetnx", 4, Run::Write(hsetnx))
    .key()
    .fast()
    .about("hash", "Sets a field that does not exist");
pub(super) const HDEL: Command =
    Command::new("hdel", -3, Run::Write(hdel)).key().per_write(1, 2).fast().about("hash", "Deletes fields");

fn hset(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let added = put(tx, args, "hset")?;
    reply.count(added);
    Ok(())
}

fn hmset(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    put(tx, args, "hmset")?;
    reply.ok();
    Ok(())
}

fn hsetnx(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = slot(args.at(1));
    expect(tx.view(), &slot, Kind::Map)?;
    check_elements([args.at(2)].into_iter())?;
    let new = !tx.view().map_contains(&slot, args.at(2));
    if new {
        put_field(tx, &slot.field(args.at(2)), args.at(3))?;
    }
    reply.bit(new);
    Ok(())
}

fn hdel(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = slot(args.at(1));
    expect(tx.view(), &slot, Kind::Map)?;
    let mut deleted = 0;
    for name in args.from(2).iter() {
        deleted += usize::from(tx.map_remove(&slot, name)?);
    }
    reply.count(deleted);
    Ok(())
}

/// Sets all fields, or none. Returns how many are new.
fn put(tx: &mut Tx<'_>, args: Args<'_>, command: &str) -> Result<usize, CommandError> {
    if !args.len().is_multiple_of(2) {
        return Err(CommandError::Arity { command: command.into() });
    }
    let slot = slot(args.at(1));
    let fields = args.from(2);
    check_elements(fields.pairs().map(|(name, _)| name))?;
    expect(tx.view(), &slot, Kind::Map)?;
    if fields.len() > 2 {
        // A single field is checked by the write itself.
        fields.pairs().try_for_each(|(name, _)| expect(tx.view(), &slot.field(name), Kind::Register))?;
        admit(tx, fields)?;
    }
    let mut added = 0;
    for (name, value) in fields.pairs() {
        added += usize::from(!tx.view().map_contains(&slot, name));
        put_field(tx, &slot.field(name), value)?;
    }
    Ok(added)
}

fn put_field(tx: &mut Tx<'_>, field: &Slot, value: &[u8]) -> Outcome {
    Ok(tx.put_register(field, Bytes::copy_from_slice(value), None)?)
}
