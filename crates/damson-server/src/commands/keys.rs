//! KEYS: all keys that match a pattern.
//!
//! The database is looked at in steps, so that writers do not wait for a long KEYS. A key that exists all the time is
//! met once.

use super::error::Outcome;
use super::glob::Glob;
use super::spec::{BoxFuture, Command, Run};
use crate::redis::Session;
use crate::resp::{Args, Reply};

pub(super) const KEYS: Command =
    Command::new("keys", 2, Run::Long(keys)).about("generic", "Returns all keys that match a pattern");

/// Keys looked at in one step.
const KEYS_AT_ONCE: usize = 4_096;

fn keys<'a>(session: &'a Session, args: Args<'a>, reply: Reply<'a>) -> BoxFuture<'a> {
    Box::pin(matching(session, args, reply))
}

async fn matching(session: &Session, args: Args<'_>, mut reply: Reply<'_>) -> Outcome {
    let glob = Glob::new(args.at(1), session.front.limits.pattern_bytes_max)?;
    let mut found = Vec::new();
    let mut cursor = Some(0);
    while let Some(from) = cursor {
        let step = session.scope().read(|view| view.scan(from, KEYS_AT_ONCE));
        for (key, _) in step.keys {
            if glob.matches(&key)? {
                found.push(key);
            }
        }
        cursor = step.next;
        tokio::task::yield_now().await;
    }
    reply.array(found.len());
    found.iter().for_each(|key| reply.bulk(key));
    Ok(())
}
