//! CONFIG GET: the few settings that clients and benchmarks look at.

use super::error::{CommandError, Outcome};
use super::glob::Glob;
use super::spec::{Command, Run};
use crate::redis::Session;
use crate::resp::{Args, Reply};

pub(super) const CONFIG: Command =
    Command::new("config", -2, Run::Session(config)).about("server", "Shows settings in Redis's words");

fn config(session: &mut Session, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    match (args.at(1).to_ascii_lowercase().as_slice(), args.len()) {
        (b"get", 3..) => get(session, args.from(2), reply),
        (b"get", _) => Err(CommandError::Arity { command: "config|get".into() }),
        (b"set" | b"rewrite" | b"resetstat", _) => Err(CommandError::argument(
            "ERR settings are not changed over the Redis protocol: they are in the configuration of the daemon",
        )),
        _ => Err(CommandError::subcommand("CONFIG", args.at(1))),
    }
}

fn get(session: &Session, patterns: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let limits = &session.front.limits;
    let settings = [
        ("appendonly", "no".to_string()),
        ("databases", crate::front::DATABASES.to_string()),
        ("maxclients", limits.clients_max.to_string()),
        ("maxmemory", session.front.node.memory().limit_bytes.unwrap_or(0).to_string()),
        ("maxmemory-policy", "noeviction".into()),
        ("proto-max-bulk-len", limits.parse.bulk_bytes_max.to_string()),
        ("save", String::new()),
        ("timeout", "0".into()),
    ];
    let globs = patterns.iter().map(|pattern| Glob::new(pattern, limits.pattern_bytes_max));
    let globs = globs.collect::<Result<Vec<_>, _>>()?;
    let mut found = Vec::new();
    for (name, value) in &settings {
        for glob in &globs {
            if glob.matches_any_case(name.as_bytes())? {
                found.push((name, value));
                break;
            }
        }
    }
    reply.map(found.len());
    for (name, value) in found {
        reply.bulk(name.as_bytes());
        reply.bulk(value.as_bytes());
    }
    Ok(())
}
