//! RESET.

use super::error::Outcome;
use super::spec::{Command, Run};
use crate::redis::Session;
use crate::resp::{Args, Protocol, Reply};

pub(super) const RESET: Command =
    Command::new("reset", 1, Run::Session(reset)).fast().about("connection", "Makes the connection as new");

fn reset(session: &mut Session, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    session.reset();
    reply.speak(Protocol::Resp2);
    reply.simple("RESET");
    Ok(())
}
