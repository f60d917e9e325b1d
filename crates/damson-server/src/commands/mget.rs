//! MGET.

use damson::View;

use super::error::Outcome;
use super::slot;
use super::spec::{Command, Run};
use crate::resp::{Args, Reply};

pub(super) const MGET: Command = Command::new("mget", -2, Run::Read(mget))
    .keys(1, -1, 1)
    .fast()
    .about("string", "Returns the strings at keys");

fn mget(view: View<'_>, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let keys = args.from(1);
    reply.array(keys.len());
    // What is no string is null here, as in Redis.
    keys.iter().for_each(|key| reply.optional(view.text(&slot(key)).as_deref()));
    Ok(())
}
