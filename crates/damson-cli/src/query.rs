//! `damson status` and `damson members`.

use std::process::ExitCode;

use serde_json::Value;

use crate::args::Query;
use crate::http;

/// Prints how a node is.
pub fn status(query: &Query) -> anyhow::Result<ExitCode> {
    let status = http::get_json(&query.http, "/v1/status")?;
    if query.json {
        println!("{status}");
        return Ok(ExitCode::SUCCESS);
    }
    for field in ["name", "id", "realm", "address", "ready", "members", "links", "keys", "digest", "version"]
    {
        if let Some(value) = status.get(field) {
            println!("{field:<9} {}", shown(value));
        }
    }
    if let Some(memory) = status.get("memory") {
        println!("{:<9} {}", "memory", memory_of(memory));
    }
    Ok(ExitCode::SUCCESS)
}

/// Prints the members.
pub fn members(query: &Query) -> anyhow::Result<ExitCode> {
    let members = http::get_json(&query.http, "/v1/members")?;
    if query.json {
        println!("{members}");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "{:<16} {:<9} {:>11}  {:<22} {:<32}  JUDGED BY",
        "NAME", "STATE", "INCARNATION", "ADDRESS", "ID"
    );
    for member in members.as_array().into_iter().flatten() {
        let of = |field: &str| member.get(field).map(shown).unwrap_or_default();
        println!(
            "{:<16} {:<9} {:>11}  {:<22} {:<32}  {}",
            of("name"),
            of("state"),
            of("incarnation"),
            of("address"),
            of("id"),
            judge_of(member, &members)
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// By name, where it has one; a member that is alive was judged by nobody.
fn judge_of(member: &Value, members: &Value) -> String {
    let Some(judge) = member.get("judged_by").and_then(Value::as_str) else { return String::new() };
    let known = members.as_array().into_iter().flatten().find(|other| other["id"] == judge);
    known.and_then(|other| other["name"].as_str()).unwrap_or(judge).to_string()
}

/// How much is held, of how much.
fn memory_of(memory: &Value) -> String {
    let used = shown(&memory["used_bytes"]);
    match &memory["limit_bytes"] {
        Value::Null => format!("{used} bytes, no limit"),
        limit => format!("{used} of {limit} bytes, {}", shown(&memory["level"])),
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}
