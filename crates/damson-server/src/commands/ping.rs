//! PING.

use super::error::{CommandError, Outcome};
use super::spec::{Command, Run};
use crate::redis::Session;
use crate::resp::{Args, Reply};

pub(super) const PING: Command =
    Command::new("ping", -1, Run::Session(ping)).fast().about("connection", "Returns PONG, or its argument");

fn ping(_: &mut Session, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match args.len() {
        1 => reply.simple("PONG"),
        2 => reply.bulk(args.at(1)),
        _ => return Err(CommandError::Arity { command: "ping".into() }),
    }
    Ok(())
}
