//! TYPE.

use damson::View;

use super::error::Outcome;
use super::slot;
use super::spec::{Command, Run};
use crate::resp::{Args, Reply};

pub(super) const TYPE: Command =
    Command::new("type", 2, Run::Read(type_of)).key().fast().about("generic", "Returns the type of a key");

fn type_of(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.simple(view.kind(&slot(args.at(1))).map_or("none", |kind| kind.name()));
    Ok(())
}
