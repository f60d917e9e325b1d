//! CLIENT: what a connection says about itself, and who else is connected.

use super::error::{CommandError, Outcome};
use super::spec::{Command, Run};
use crate::redis::{Muting, Session};
use crate::resp::{Args, Reply};

pub(super) const CLIENT: Command =
    Command::new("client", -2, Run::Session(client)).about("connection", "Tells about connections");

const HELP: &[&str] = &[
    "CLIENT <subcommand> [<arg> ...]. Subcommands are:",
    "GETNAME",
    "ID",
    "INFO",
    "LIST [ID <id> ...]",
    "REPLY (ON|OFF|SKIP)",
    "SETINFO (LIB-NAME|LIB-VER) <value>",
    "SETNAME <name>",
];

fn client(session: &mut Session, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let name = args.at(1).to_ascii_lowercase();
    match (name.as_slice(), args.len()) {
        (b"id", 2) => reply.integer(i64::try_from(session.client.id).unwrap_or(i64::MAX)),
        (b"info", 2) => reply.text(&format!("{}\n", session.client.line())),
        (b"list", _) => return list(session, args.from(2), reply),
        (b"getname", 2) => get_name(session, reply),
        (b"setname", 3) => return set_name(session, args.at(2), reply),
        (b"setinfo", 4) => return set_info(session, args.at(2), args.at(3), reply),
        (b"reply", 3) => return set_muting(session, args.at(2), reply),
        (b"help", 2) => {
            reply.array(HELP.len());
            HELP.iter().for_each(|line| reply.simple(line));
        }
        (b"id" | b"info" | b"getname" | b"setname" | b"setinfo" | b"reply" | b"help", _) => {
            let sub = String::from_utf8_lossy(&name);
            return Err(CommandError::Arity { command: format!("client|{sub}") });
        }
        _ => return Err(CommandError::subcommand("CLIENT", args.at(1))),
    }
    Ok(())
}

fn list(session: &Session, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let wanted = match args.get(0) {
        None => None,
        Some(option) if option.eq_ignore_ascii_case(b"id") && args.len() > 1 => {
            let ids = args.from(1).iter().map(|id| crate::resp::parse_u64(id).ok_or(CommandError::Syntax));
            Some(ids.collect::<Result<Vec<_>, _>>()?)
        }
        Some(_) => return Err(CommandError::Syntax),
    };
    let mut lines = String::new();
    for client in session.front.clients.all() {
        if wanted.as_ref().is_none_or(|ids| ids.contains(&client.id)) {
            lines.push_str(&client.line());
            lines.push('\n');
        }
    }
    reply.text(&lines);
    Ok(())
}

fn get_name(session: &Session, reply: &mut Reply<'_>) {
    let profile = session.client.profile.lock();
    let name = Some(profile.name.as_bytes()).filter(|name| !name.is_empty());
    reply.optional(name);
}

fn set_name(session: &Session, name: &[u8], reply: &mut Reply<'_>) -> Outcome {
    session.client.profile.lock().name = client_name(name)?;
    reply.ok();
    Ok(())
}

/// A name that does not break the lines of CLIENT LIST.
pub(super) fn client_name(name: &[u8]) -> Result<String, CommandError> {
    printable(name).ok_or_else(|| {
        CommandError::argument("ERR Client names cannot contain spaces, newlines or special characters.")
    })
}

fn set_info(session: &Session, what: &[u8], value: &[u8], reply: &mut Reply<'_>) -> Outcome {
    let what = what.to_ascii_lowercase();
    let known = what == b"lib-name" || what == b"lib-ver";
    let what = String::from_utf8_lossy(&what).into_owned();
    if !known {
        return Err(CommandError::argument(format!("ERR Unrecognized option '{what}'")));
    }
    let value = printable(value).ok_or_else(|| {
        CommandError::argument(format!("ERR {what} cannot contain spaces, newlines or special characters."))
    })?;
    let mut profile = session.client.profile.lock();
    if what == "lib-name" {
        profile.library = value;
    } else {
        profile.library_version = value;
    }
    reply.ok();
    Ok(())
}

fn printable(text: &[u8]) -> Option<String> {
    let sound = text.len() <= 256 && text.iter().all(u8::is_ascii_graphic);
    sound.then(|| String::from_utf8_lossy(text).into_owned())
}

fn set_muting(session: &mut Session, mode: &[u8], reply: &mut Reply<'_>) -> Outcome {
    session.muting = match mode.to_ascii_lowercase().as_slice() {
        b"on" => Muting::Off,
        b"off" => Muting::On,
        b"skip" => Muting::Skip,
        _ => return Err(CommandError::Syntax),
    };
    reply.ok();
    Ok(())
}
