//! One command: found in the table, checked, executed, replied to.

use damson::{Ticket, Tx, WriteError};

use super::session::{Muting, Session};
use crate::commands::{Command, CommandError, Run, check_keys, find};
use crate::resp::{Args, Reply};

/// Executes a command, writes its reply behind what is in `out`, and returns what has to be durable before the reply may
/// be sent.
pub(super) async fn execute(session: &mut Session, args: Args<'_>, out: &mut Vec<u8>) -> Option<Ticket> {
    let before = out.len();
    let mut ticket = None;
    let result = match find(args.at(0)) {
        None => Err(CommandError::unknown(args)),
        Some((place, command)) => {
            session.client.executes(place);
            let result = run(command, session, args, out, &mut ticket).await;
            session.front.metrics.executed(place, result.is_ok());
            result
        }
    };
    if let Err(error) = result {
        session.front.metrics.failed(error.kind());
        // Whatever the command has written of its reply is no reply.
        out.truncate(before);
        Reply::new(out, session.protocol).error(&error.to_string());
    }
    mute(session, out, before);
    ticket
}

async fn run(
    command: &'static Command,
    session: &mut Session,
    args: Args<'_>,
    out: &mut Vec<u8>,
    ticket: &mut Option<Ticket>,
) -> Result<(), CommandError> {
    if !command.accepts(args.len()) {
        return Err(CommandError::Arity { command: command.name.into() });
    }
    let mut reply = Reply::new(out, session.protocol);
    match command.run {
        Run::Read(read) => session.scope().read(|view| read(view, args, &mut reply)),
        Run::Write(write) => {
            check_keys(command, args, &session.front.limits)?;
            // What a command refuses is its own result: the transaction has nothing then, and is no failure.
            let write = |tx: &mut Tx<'_>| Ok::<_, WriteError>(write(tx, args, &mut reply));
            let issued = session.scope().issue(write).await?;
            *ticket = Some(issued.ticket);
            issued.write.into_iter().for_each(|write| session.wrote(write));
            issued.value
        }
        Run::Session(converse) => converse(session, args, &mut reply),
        Run::Long(long) => {
            let result = long(session, args, reply).await;
            if command.writes() {
                session.wrote_anywhere();
            }
            result
        }
    }
}

/// Takes the reply back when the client does not want it.
fn mute(session: &mut Session, out: &mut Vec<u8>, before: usize) {
    match session.muting {
        Muting::Off => return,
        Muting::Skip => session.muting = Muting::Skipping,
        Muting::Skipping => session.muting = Muting::Off,
        Muting::On => {}
    }
    out.truncate(before);
}
