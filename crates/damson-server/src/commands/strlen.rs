//! STRLEN.

use damson::View;

use super::error::Outcome;
use super::get::text;
use super::slot;
use super::spec::{Command, Run};
use crate::resp::{Args, Reply};

pub(super) const STRLEN: Command = Command::new("strlen", 2, Run::Read(strlen))
    .key()
    .fast()
    .about("string", "Returns the length of a string in bytes");

fn strlen(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.count(text(view, &slot(args.at(1)))?.map_or(0, |text| text.len()));
    Ok(())
}
