//! ECHO.

use super::error::Outcome;
use super::spec::{Command, Run};
use crate::redis::Session;
use crate::resp::{Args, Reply};

pub(super) const ECHO: Command =
    Command::new("echo", 2, Run::Session(echo)).fast().about("connection", "Returns its argument");

fn echo(_: &mut Session, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    reply.bulk(args.at(1));
    Ok(())
}
