//! TIME, and the clock that times to live are told by.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::error::Outcome;
use super::spec::{Command, Run};
use crate::redis::Session;
use crate::resp::{Args, Reply};

pub(super) const TIME: Command = Command::new("time", 1, Run::Session(time))
    .fast()
    .about("server", "Returns seconds since 1970 and microseconds");

fn time(_: &mut Session, _: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let now = since_1970();
    reply.array(2);
    reply.bulk(now.as_secs().to_string().as_bytes());
    reply.bulk(now.subsec_micros().to_string().as_bytes());
    Ok(())
}

/// The clock of the node is that of the system.
pub(super) fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
