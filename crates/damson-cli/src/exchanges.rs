//! `damson exchanges`: what nodes compare with one another, and ending it early.

use std::process::ExitCode;

use anyhow::bail;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::args::{Exchanges, Which};
use crate::http::{self, Patience};
use crate::query::shown;

/// Prints the exchanges that run, or those that were ended.
pub fn run(args: &Exchanges) -> anyhow::Result<ExitCode> {
    let http = &args.query.http;
    let exchanges = match &args.cancel {
        Some(which) => cancel(http, which)?,
        None => http::get_json(http, &list_path(args.of.as_deref()))?,
    };
    if args.query.json {
        println!("{exchanges}");
        return Ok(ExitCode::SUCCESS);
    }
    let members = http::get_json(http, "/v1/members")?;
    if args.cancel.is_some() {
        let count = exchanges.as_array().map_or(0, Vec::len);
        println!("cancelled: {count}");
    }
    print!("{}", table(&exchanges, &members));
    Ok(ExitCode::SUCCESS)
}

fn list_path(member: Option<&str>) -> String {
    let query = member.map(|member| format!("?member={}", encoded(member)));
    format!("/v1/exchanges{}", query.unwrap_or_default())
}

fn cancel(http: &str, which: &Which) -> anyhow::Result<Value> {
    let path = format!("/v1/exchanges?{}", query(which));
    let answer = http::wait_for(http::ask("DELETE", http, &path, Patience::default()))?;
    if answer.status != "200" {
        bail!("nothing is cancelled: {}", answer.reason());
    }
    Ok(serde_json::from_slice(&answer.body)?)
}

fn query(which: &Which) -> String {
    match which {
        Which::All => "all=true".into(),
        Which::Peer(peer) => format!("peer={}", encoded(peer)),
        Which::Handler(handler) => format!("handler={}", encoded(handler)),
        Which::Reference(number) => format!("reference={number}"),
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn table(exchanges: &Value, members: &Value) -> String {
    let mut out = row(&["REFERENCE", "HANDLER", "PEER", "SCOPE", "BEGUN BY", "RUNNING"].map(String::from));
    for exchange in exchanges.as_array().into_iter().flatten() {
        let of = |field: &str| exchange.get(field).filter(|value| !value.is_null()).map_or("-".into(), shown);
        let running = exchange["since_ms"].as_u64().map_or("-".into(), |ms| format!("{ms} ms"));
        let peer = name_of(&of("peer"), members);
        out += &row(&[of("reference"), of("handler"), peer, of("scope"), of("begun_by"), running]);
    }
    out
}

fn row([reference, handler, peer, scope, begun_by, running]: &[String; 6]) -> String {
    let line = format!("{reference:>9}  {handler:<20} {peer:<16} {scope:<16} {begun_by:<8} {running:>12}");
    // Names come from other nodes; a terminal obeys control characters.
    line.replace(char::is_control, "?").trim_end().to_string() + "\n"
}

fn name_of(id: &str, members: &Value) -> String {
    let known = members.as_array().into_iter().flatten().find(|member| member["id"] == id);
    known.and_then(|member| member["name"].as_str()).unwrap_or(id).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_exchange_has_a_line_with_the_name_of_its_peer_and_what_is_unknown_is_a_dash() {
        let members = json!([{ "id": "a1", "name": "n\u{1b}1" }]);
        let exchanges = json!([
            { "reference": 4, "handler": "~replica", "peer": "a1", "scope": "default", "begun_by": "node", "since_ms": 12 },
            { "reference": 7, "handler": "presence", "peer": "b2", "scope": null, "begun_by": "node", "since_ms": 3_000 },
        ]);
        let wanted = "\
REFERENCE  HANDLER              PEER             SCOPE            BEGUN BY      RUNNING
        4  ~replica             n?1              default          node            12 ms
        7  presence             b2               -                node          3000 ms
";
        assert_eq!(table(&exchanges, &members), wanted);
    }

    #[test]
    fn what_is_asked_for_is_encoded() {
        assert_eq!(list_path(None), "/v1/exchanges");
        assert_eq!(list_path(Some("n 1&x")), "/v1/exchanges?member=n%201%26x");
        assert_eq!(query(&Which::Handler("~replica".into())), "handler=%7Ereplica");
        assert_eq!(
            (query(&Which::All), query(&Which::Reference(7))),
            ("all=true".into(), "reference=7".into())
        );
    }
}
