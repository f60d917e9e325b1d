//! INFO: what monitoring asks for, in Redis's words where there are any.

use std::fmt::Write;

use super::error::Outcome;
use super::hello::REDIS_VERSION;
use super::spec::{Command, Run};
use crate::front::Front;
use crate::redis::Session;
use crate::resp::{Args, Reply};

pub(super) const INFO: Command =
    Command::new("info", -1, Run::Session(info)).about("server", "Tells about the server and the node");

/// The lines of one section.
type Section = fn(&Front, &mut String) -> std::fmt::Result;

const SECTIONS: &[(&str, Section)] = &[
    ("Server", server),
    ("Clients", clients),
    ("Memory", memory),
    ("Stats", stats),
    ("Replication", replication),
    ("Keyspace", keyspace),
    ("Damson", damson),
];

fn info(session: &mut Session, args: Args<'_>, reply: &mut Reply<'_>) -> Outcome {
    let wanted = |name: &str| {
        let asked = |asked: &[u8]| {
            let all: [&[u8]; 3] = [b"all", b"default", b"everything"];
            asked.eq_ignore_ascii_case(name.as_bytes())
                || all.iter().any(|all| asked.eq_ignore_ascii_case(all))
        };
        args.len() == 1 || args.from(1).iter().any(asked)
    };
    let mut text = String::new();
    for (name, lines) in SECTIONS.iter().filter(|(name, _)| wanted(name)) {
        let gap = if text.is_empty() { "" } else { "\r\n" };
        // Writing into a string does not fail.
        let _ = write!(text, "{gap}# {name}\r\n").and_then(|()| lines(&session.front, &mut text));
    }
    reply.text(&text);
    Ok(())
}

fn server(front: &Front, out: &mut String) -> std::fmt::Result {
    write!(out, "redis_version:{REDIS_VERSION}\r\nredis_mode:standalone\r\n")?;
    write!(out, "damson_version:{}\r\n", env!("CARGO_PKG_VERSION"))?;
    write!(out, "arch_bits:{}\r\nos:{}\r\n", usize::BITS, std::env::consts::OS)?;
    write!(out, "process_id:{}\r\nrun_id:{:016x}\r\n", std::process::id(), front.node.life().0)?;
    write!(out, "tcp_port:{}\r\n", front.redis_address.map_or(0, |address| address.port()))?;
    let uptime = front.started.elapsed().as_secs();
    write!(out, "uptime_in_seconds:{uptime}\r\nuptime_in_days:{}\r\n", uptime / 86_400)
}

fn clients(front: &Front, out: &mut String) -> std::fmt::Result {
    write!(out, "connected_clients:{}\r\nmaxclients:{}\r\n", front.clients.len(), front.clients.limit())
}

/// What the state holds, as it is counted; the process takes more.
fn memory(front: &Front, out: &mut String) -> std::fmt::Result {
    let memory = front.node.memory();
    write!(out, "used_memory:{}\r\n", memory.used_bytes)?;
    write!(out, "maxmemory:{}\r\nmaxmemory_policy:noeviction\r\n", memory.limit_bytes.unwrap_or(0))
}

fn stats(front: &Front, out: &mut String) -> std::fmt::Result {
    let metrics = &front.metrics;
    write!(out, "total_connections_received:{}\r\n", metrics.clients_connected())?;
    write!(out, "rejected_connections:{}\r\n", metrics.clients_refused())?;
    write!(out, "total_commands_processed:{}\r\n", metrics.commands_total())?;
    write!(out, "total_error_replies:{}\r\n", metrics.errors_total())?;
    write!(out, "total_net_input_bytes:{}\r\n", metrics.bytes_received())?;
    write!(out, "total_net_output_bytes:{}\r\n", metrics.bytes_sent())
}

/// Every node takes writes; to clients that look for a master it is one.
fn replication(_: &Front, out: &mut String) -> std::fmt::Result {
    write!(out, "role:master\r\nconnected_slaves:0\r\n")
}

fn keyspace(front: &Front, out: &mut String) -> std::fmt::Result {
    let scopes = front.node.scopes();
    for (number, database) in front.databases.iter().enumerate() {
        let keys = scopes.iter().find(|info| info.name == *database.name()).map_or(0, |info| info.keys);
        if keys > 0 {
            write!(out, "db{number}:keys={keys},expires=0,avg_ttl=0\r\n")?;
        }
    }
    Ok(())
}

fn damson(front: &Front, out: &mut String) -> std::fmt::Result {
    let status = front.node.status();
    write!(out, "node_name:{}\r\nnode_id:{}\r\nrealm:{}\r\n", status.name, status.id, status.realm)?;
    write!(out, "address:{}\r\nmembers:{}\r\nlinks:{}\r\n", status.address, status.members, status.links)?;
    let ready = status.readiness == ::damson::Readiness::Ready;
    write!(out, "digest:{}\r\nready:{}\r\n", status.digest, u8::from(ready))
}
