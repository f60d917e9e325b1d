//! AUTH.

use super::error::{CommandError, Outcome};
use super::spec::{Command, Run};
use crate::redis::Session;
use crate::resp::{Args, Reply};

pub(super) const AUTH: Command =
    Command::new("auth", -2, Run::Session(auth)).fast().about("connection", "Authenticates the connection");

fn auth(_: &mut Session, args: Args<'_>, _: &mut Reply<'_>) -> Outcome {
    match args.len() {
        2 | 3 => Err(no_credentials()),
        _ => Err(CommandError::Syntax),
    }
}

/// There are no credentials that could be right.
pub(super) fn no_credentials() -> CommandError {
    CommandError::argument(
        "ERR AUTH <password> called without any password configured for the default user. Are you sure your \
         configuration is correct?",
    )
}
