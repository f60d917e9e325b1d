//! The commands that read sets.

use damson::{Kind, Slot, View};

use super::error::{CommandError, Outcome};
use super::spec::{Command, Run};
use super::{expect, slot};
use crate::resp::{Args, Reply};

pub(super) const SMEMBERS: Command =
    Command::new("smembers", 2, Run::Read(smembers)).key().about("set", "Returns all elements of a set");
pub(super) const SCARD: Command =
    Command::new("scard", 2, Run::Read(scard)).key().fast().about("set", "Counts the elements of a set");
pub(super) const SISMEMBER: Command = Command::new("sismember", 3, Run::Read(sismember))
    .key()
    .fast()
    .about("set", "Says whether something is in a set");
pub(super) const SMISMEMBER: Command = Command::new("smismember", -3, Run::Read(smismember))
    .key()
    .fast()
    .about("set", "Says for several things whether they are in a set");

/// Builds one reply, however large the set: writers wait while it is copied.
fn smembers(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = existing(view, args)?;
    reply.set(view.set_len(&slot));
    view.set_elements(&slot).for_each(|element| reply.bulk(element));
    Ok(())
}

fn scard(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = existing(view, args)?;
    reply.count(view.set_len(&slot));
    Ok(())
}

fn sismember(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = existing(view, args)?;
    reply.bit(view.set_contains(&slot, args.at(2)));
    Ok(())
}

fn smismember(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = existing(view, args)?;
    let elements = args.from(2);
    reply.array(elements.len());
    elements.iter().for_each(|element| reply.bit(view.set_contains(&slot, element)));
    Ok(())
}

fn existing(view: View<'_>, args: Args<'_>) -> Result<Slot, CommandError> {
    let slot = slot(args.at(1));
    expect(view, &slot, Kind::Set)?;
    Ok(slot)
}
