//! EXISTS.

use damson::View;

use super::error::Outcome;
use super::slot;
use super::spec::{Command, Run};
use crate::resp::{Args, Reply};

pub(super) const EXISTS: Command = Command::new("exists", -2, Run::Read(exists))
    .keys(1, -1, 1)
    .fast()
    .about("generic", "Counts the given keys that exist");

fn exists(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.count(args.from(1).iter().filter(|key| view.kind(&slot(key)).is_some()).count());
    Ok(())
}
