//! HELLO: the version of the protocol, and what the server says about itself.

use super::auth::no_credentials;
use super::client::client_name;
use super::error::{CommandError, Outcome, echo};
use super::spec::{Command, Run};
use crate::redis::Session;
use crate::resp::{Args, Protocol, Reply, parse_i64};

pub(super) const HELLO: Command =
    Command::new("hello", -1, Run::Session(hello)).fast().about("connection", "Begins a conversation");

/// The version of Redis whose commands are followed. Some clients decide by it what they may send.
pub(super) const REDIS_VERSION: &str = "7.0.15";

fn hello(session: &mut Session, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let protocol = match args.get(1) {
        None => session.protocol,
        Some(version) => match parse_i64(version) {
            Some(2) => Protocol::Resp2,
            Some(3) => Protocol::Resp3,
            Some(_) => return Err(CommandError::argument("NOPROTO unsupported protocol version")),
            None => {
                let text = "ERR Protocol version is not an integer or out of range";
                return Err(CommandError::argument(text));
            }
        },
    };
    let name = options(args.from(2))?;
    if let Some(name) = name {
        session.client.profile.lock().name = name;
    }
    session.speak(protocol);
    reply.speak(protocol);
    introduce(session, reply);
    Ok(())
}

/// The name that the client gives itself, if it does.
fn options(args: Args<'_>) -> Result<Option<String>, CommandError> {
    let mut name = None;
    let mut at = 0;
    while let Some(option) = args.get(at) {
        match (option.to_ascii_lowercase().as_slice(), args.get(at + 1), args.get(at + 2)) {
            (b"setname", Some(given), _) => name = Some(client_name(given)?),
            (b"auth", Some(_), Some(_)) => return Err(no_credentials()),
            _ => {
                let text = format!("ERR Syntax error in HELLO option '{}'", echo(option));
                return Err(CommandError::argument(text));
            }
        }
        at += 2;
    }
    Ok(name)
}

fn introduce(session: &Session, reply: &mut Reply<'_>) {
    reply.map(7);
    reply.bulk(b"server");
    reply.bulk(b"damson");
    reply.bulk(b"version");
    reply.bulk(REDIS_VERSION.as_bytes());
    reply.bulk(b"proto");
    reply.integer(session.protocol.number());
    reply.bulk(b"id");
    reply.integer(i64::try_from(session.client.id).unwrap_or(i64::MAX));
    reply.bulk(b"mode");
    reply.bulk(b"standalone");
    reply.bulk(b"role");
    reply.bulk(b"master");
    reply.bulk(b"modules");
    reply.array(0);
}
