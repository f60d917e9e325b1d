//! DBSIZE.

use super::error::Outcome;
use super::spec::{Command, Run};
use crate::redis::Session;
use crate::resp::{Args, Reply};

pub(super) const DBSIZE: Command = Command::new("dbsize", 1, Run::Session(dbsize))
    .fast()
    .about("server", "Counts the keys of the selected database");

fn dbsize(session: &mut Session, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.count(session.scope().read(|view| view.len()));
    Ok(())
}
