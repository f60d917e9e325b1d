//! `damson status`.

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

/// How much is held, of how much.
fn memory_of(memory: &Value) -> String {
    let used = shown(&memory["used_bytes"]);
    match &memory["limit_bytes"] {
        Value::Null => format!("{used} bytes, no limit"),
        limit => format!("{used} of {limit} bytes, {}", shown(&memory["level"])),
    }
}

pub fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_string)
}
