//! DBSIZE.

use super::error::Outcome;
use super::spec::{Command, Run};
use crate::redis::Session;
use crate::resp::{Args, Reply};

pub(super) const DBSIZE: Command = Command::new("dbsize", 1, Run::Session(dbsize))
    .fast()
    .about("server", "Counts the keys of the selected database");

fn dbsize(session: &mut Session, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let scope = session.scope().name();
    let keys =
        session.front.node.scopes().into_iter().find(|info| info.name == *scope).map_or(0, |info| info.keys);
    reply.count(keys);
    Ok(())
}
