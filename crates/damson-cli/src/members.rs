//! `damson members`: who is in the cluster, and forgetting who is not.

use std::process::ExitCode;

use anyhow::{anyhow, bail};
use serde_json::Value;

use crate::args::{Members, MembersCommand, Query};
use crate::http::{self, Patience};
use crate::query::shown;

/// Prints the members, or removes one.
pub fn run(args: &Members) -> anyhow::Result<ExitCode> {
    match &args.command {
        None => list(&args.query),
        Some(MembersCommand::Forget { member, http }) => forget(member, http),
    }
}

/// Prints the members.
fn list(query: &Query) -> anyhow::Result<ExitCode> {
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

fn forget(member: &str, address: &str) -> anyhow::Result<ExitCode> {
    let members = http::get_json(address, "/v1/members")?;
    let id = id_of(member, &members)?;
    let path = format!("/v1/members/{id}/forget");
    let answer = http::wait_for(http::ask("POST", address, &path, Patience::default()))?;
    if answer.status != "200" {
        bail!("{member} is not forgotten: {}", answer.reason());
    }
    println!("{member} ({id}) is forgotten");
    Ok(ExitCode::SUCCESS)
}

/// Who is meant: an id, or a name that only one has.
fn id_of(member: &str, members: &Value) -> anyhow::Result<String> {
    let all = || members.as_array().into_iter().flatten();
    let found: Vec<&str> = all()
        .filter(|known| known["id"] == member || known["name"] == member)
        .filter_map(|known| known["id"].as_str())
        .collect();
    match found[..] {
        [id] => Ok(id.to_string()),
        [] => Err(anyhow!("no member has the name or id {member:?}; `damson members` lists them")),
        _ => Err(anyhow!(
            "{} members have the name {member:?}: say which by its id, {}",
            found.len(),
            found.join(" or ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_found_by_its_id_or_a_name_that_only_one_has() {
        let members = serde_json::json!([
            { "id": "a1", "name": "a" }, { "id": "b1", "name": "b" }, { "id": "b2", "name": "b" },
        ]);
        assert_eq!(id_of("a", &members).unwrap(), "a1");
        assert_eq!(id_of("b2", &members).unwrap(), "b2");
        assert!(id_of("b", &members).unwrap_err().to_string().contains("b1 or b2"));
        assert!(id_of("c", &members).is_err());
    }
}
