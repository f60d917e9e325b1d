//! WAIT: until so many other members have what this connection has written.
//!
//! It counts members besides this node, each once, that have applied the last write of this connection in each database,
//! and all that this node wrote there before, as durably as the database asks. A connection that has written nothing has
//! nothing to wait for: it is told at once how many other members host its database and live.

use std::time::Duration;

use damson::{Ack, WaitError, WriteError};

use super::error::{CommandError, Outcome};
use super::spec::{Command, Run};
use crate::redis::{Muting, Pending, Session};
use crate::resp::{Args, Reply, parse_i64};

pub(super) const WAIT: Command = Command::new("wait", 3, Run::Session(wait))
    .about("generic", "Waits until other members have the connection's writes, and returns how many have");

fn wait(session: &mut Session, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let others = parse_i64(args.at(1)).ok_or(CommandError::NotInteger)?;
    let ms = parse_i64(args.at(2))
        .ok_or_else(|| CommandError::argument("ERR timeout is not an integer or out of range"))?;
    let ms = u64::try_from(ms).map_err(|_| CommandError::argument("ERR timeout is negative"))?;
    if session.writes.is_empty() {
        reply.count(session.scope().living_hosts().saturating_sub(1));
        return Ok(());
    }
    // This node has its writes already.
    let members = usize::try_from(others).unwrap_or(0).saturating_add(1);
    let time_out = (ms > 0).then(|| Duration::from_millis(ms));
    let writes: Vec<_> = session.writes.values().cloned().collect();
    let waiting = session.front.node.acknowledged(&writes, Ack::N(members), time_out).map_err(unavailable)?;
    session.pending = Some(Pending { waiting, muted: session.muting != Muting::Off });
    Ok(())
}

fn unavailable(error: WaitError) -> CommandError {
    CommandError::Unavailable(match error {
        WaitError::TooMany { limit } => WriteError::TooManyWaits { limit },
        WaitError::NotHosted => WriteError::NotHosted,
        _ => WriteError::AcknowledgementUnknown,
    })
}
