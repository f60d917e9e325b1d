//! QUIT.

use super::error::Outcome;
use super::spec::{Command, Run};
use crate::redis::Session;
use crate::resp::{Args, Reply};

pub(super) const QUIT: Command =
    Command::new("quit", -1, Run::Session(quit)).fast().about("connection", "Closes the connection");

fn quit(session: &mut Session, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    session.closing = true;
    reply.ok();
    Ok(())
}
