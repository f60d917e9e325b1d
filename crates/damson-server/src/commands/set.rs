//! SET with its options.

use bytes::Bytes;
use damson::{Slot, Tx};

use super::deadline::Form;
use super::error::{CommandError, Outcome};
use super::get::text;
use super::slot;
use super::spec::{Command, Run};
use crate::resp::{Args, Reply};

pub(super) const SET: Command =
    Command::new("set", -3, Run::Write(set)).key().about("string", "Sets the string at a key");

/// What SET was asked to do besides.
#[derive(Default)]
struct Options {
    only_new: bool,
    only_existing: bool,
    return_old: bool,
    keep_end: bool,
    ends_ms: Option<u64>,
}

fn set(tx: &mut Tx<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let slot = slot(args.at(1));
    let value = Bytes::copy_from_slice(args.at(2));
    if args.len() == 3 {
        tx.set_text(&slot.key, value, None)?;
        reply.ok();
        return Ok(());
    }
    let options = Options::parse(args.from(3), tx.wall_ms())?;
    let old = if options.return_old { text(tx.view(), &slot)? } else { None };
    let exists = tx.view().kind(&slot).is_some();
    let writes = !(options.only_new && exists || options.only_existing && !exists);
    if writes {
        let ends_ms = if options.keep_end { tx.view().ends_ms(&slot.key).flatten() } else { options.ends_ms };
        put(tx, &slot, value, ends_ms)?;
    }
    match (options.return_old, writes) {
        (true, _) => reply.optional(old.as_deref()),
        (false, true) => reply.ok(),
        (false, false) => reply.null(),
    }
    Ok(())
}

/// Sets a string that ends at a time. One that has ended already leaves nothing.
pub(super) fn put(tx: &mut Tx<'_>, slot: &Slot, value: Bytes, ends_ms: Option<u64>) -> Outcome {
    if ends_ms.is_some_and(|end| end <= tx.wall_ms()) {
        tx.remove(slot);
        return Ok(());
    }
    Ok(tx.set_text(&slot.key, value, ends_ms)?)
}

impl Options {
    fn parse(args: Args<'_>, now_ms: u64) -> Result<Self, CommandError> {
        let mut out = Self::default();
        let mut at = 0;
        while let Some(option) = args.get(at) {
            let form = match option.to_ascii_lowercase().as_slice() {
                b"nx" if !out.only_existing => {
                    out.only_new = true;
                    None
                }
                b"xx" if !out.only_new => {
                    out.only_existing = true;
                    None
                }
                b"get" => {
                    out.return_old = true;
                    None
                }
                b"keepttl" if out.ends_ms.is_none() => {
                    out.keep_end = true;
                    None
                }
                b"ex" => Some(Form::SECONDS),
                b"px" => Some(Form::MILLIS),
                b"exat" => Some(Form::AT_SECONDS),
                b"pxat" => Some(Form::AT_MILLIS),
                _ => return Err(CommandError::Syntax),
            };
            at += 1;
            if let Some(form) = form {
                out.end(form, args.get(at), now_ms)?;
                at += 1;
            }
        }
        Ok(out)
    }

    fn end(&mut self, form: Form, time: Option<&[u8]>, now_ms: u64) -> Outcome {
        let time = time.filter(|_| !self.keep_end && self.ends_ms.is_none()).ok_or(CommandError::Syntax)?;
        self.ends_ms = Some(form.positive_end_ms(time, now_ms, "set")?);
        Ok(())
    }
}
