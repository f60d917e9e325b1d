//! SELECT.

use super::error::{CommandError, Outcome};
use super::spec::{Command, Run};
use crate::front::DATABASES;
use crate::redis::Session;
use crate::resp::{Args, Reply, parse_i64};

pub(super) const SELECT: Command = Command::new("select", 2, Run::Session(select))
    .fast()
    .about("connection", "Selects the database, 0 to 15");

fn select(session: &mut Session, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let database = parse_i64(args.at(1)).ok_or(CommandError::NotInteger)?;
    let database = usize::try_from(database).ok().filter(|at| *at < DATABASES);
    session.select(database.ok_or_else(|| CommandError::argument("ERR DB index is out of range"))?);
    reply.ok();
    Ok(())
}
