//! GET and GETDEL.

use bytes::Bytes;
use damson::{Kind, Slot, Tx, View};

use super::error::{CommandError, Outcome};
use super::spec::{Command, Run};
use super::{expect, slot};
use crate::resp::{Args, Reply};

pub(super) const GET: Command =
    Command::new("get", 2, Run::Read(get)).key().fast().about("string", "Returns the string at a key");
pub(super) const GETDEL: Command = Command::new("getdel", 2, Run::Write(getdel))
    .key()
    .fast()
    .about("string", "Returns a string and deletes the key");

fn get(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let text = text(view, &slot(args.at(1)))?;
    reply.optional(text.as_deref());
    Ok(())
}

fn getdel(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = slot(args.at(1));
    let text = text(tx.view(), &slot)?;
    if text.is_some() {
        tx.remove(&slot);
    }
    reply.optional(text.as_deref());
    Ok(())
}

/// The string at a key, or an error when something else is there.
pub(super) fn text(view: View<'_>, slot: &Slot) -> Result<Option<Bytes>, CommandError> {
    let text = view.text(slot);
    if text.is_none() {
        expect(view, slot, Kind::Text)?;
    }
    Ok(text)
}
