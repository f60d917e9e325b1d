//! COMMAND: the table, as clients ask for it.

use super::error::{CommandError, Outcome};
use super::spec::{Command, Run};
use super::table::{TABLE, find};
use crate::redis::Session;
use crate::resp::{Args, Reply};

pub(super) const COMMAND: Command =
    Command::new("command", -1, Run::Session(command)).about("server", "Tells about commands");

fn command(_: &mut Session, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let Some(sub) = args.get(1) else {
        reply.array(TABLE.len());
        TABLE.iter().for_each(|command| describe(command, reply));
        return Ok(());
    };
    match (sub.to_ascii_lowercase().as_slice(), args.len()) {
        (b"count", 2) => reply.count(TABLE.len()),
        (b"list", 2) => {
            reply.array(TABLE.len());
            TABLE.iter().for_each(|command| reply.bulk(command.name.as_bytes()));
        }
        (b"info", 2) => {
            reply.array(TABLE.len());
            TABLE.iter().for_each(|command| describe(command, reply));
        }
        (b"info", _) => info(args.from(2), reply),
        (b"docs", _) => docs(args.from(2), reply),
        (b"getkeys", 3..) => return keys(args.from(2), reply),
        (b"count" | b"getkeys", _) => {
            let sub = String::from_utf8_lossy(sub).to_ascii_lowercase();
            return Err(CommandError::Arity { command: format!("command|{sub}") });
        }
        (b"list", _) => return Err(CommandError::Syntax),
        _ => return Err(CommandError::subcommand("COMMAND", sub)),
    }
    Ok(())
}

fn info(names: Args<'_>, reply: &mut Reply<'_>) {
    reply.array(names.len());
    for name in names.iter() {
        match find(name) {
            Some((_, command)) => describe(command, reply),
            None => reply.null(),
        }
    }
}

/// Name, arity, flags, keys, categories; without tips, key specifications and subcommands.
fn describe(command: &Command, reply: &mut Reply<'_>) {
    reply.array(10);
    reply.bulk(command.name.as_bytes());
    reply.integer(command.arity);
    reply.set(command.flags().count());
    command.flags().for_each(|flag| reply.simple(flag));
    let (first, last, step) = command.keys;
    [first, last, step].into_iter().for_each(|n| reply.integer(n));
    let speed = if command.fast { "@fast" } else { "@slow" };
    reply.set(2);
    reply.simple(&format!("@{}", command.group));
    reply.simple(speed);
    (0..3).for_each(|_| reply.array(0));
}

fn docs(names: Args<'_>, reply: &mut Reply<'_>) {
    let named: Vec<&Command> = if names.is_empty() {
        TABLE.iter().collect()
    } else {
        names.iter().filter_map(find).map(|(_, command)| command).collect()
    };
    reply.map(named.len());
    for command in named {
        reply.bulk(command.name.as_bytes());
        reply.map(2);
        reply.bulk(b"summary");
        reply.bulk(command.summary.as_bytes());
        reply.bulk(b"group");
        reply.bulk(command.group.as_bytes());
    }
}

fn keys(args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let (_, command) =
        find(args.at(0)).ok_or_else(|| CommandError::argument("ERR Invalid command specified"))?;
    if !command.accepts(args.len()) {
        return Err(CommandError::argument("ERR Invalid number of arguments specified for command"));
    }
    let keys: Vec<&[u8]> = command.keys_of(args).collect();
    if keys.is_empty() {
        return Err(CommandError::argument("ERR The command has no key arguments"));
    }
    reply.array(keys.len());
    keys.into_iter().for_each(|key| reply.bulk(key));
    Ok(())
}
