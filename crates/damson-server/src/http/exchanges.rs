//! Exchanges that run, here or on another member, and ending those that run here.
//!
//! `GET /v1/exchanges` lists those of this node, with `?member=` those of another. `DELETE /v1/exchanges` ends some early and
//! lists what it has ended: `?peer=` those with a member, `?handler=` those of a handler, `?reference=` one, `?all=true` all.
//! Members are given by name or id.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use damson::broadcast::{BegunBy, Exchange, ExchangeRef, Selector};
use serde::Serialize;

use super::asked::unanswered;
use super::problem::problem;
use super::query::pairs;
use super::tree::find;
use crate::front::Front;

/// How long another member is given to list its own.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct ExchangeBody {
    reference: u64,
    handler: String,
    peer: String,
    scope: Option<String>,
    /// Who asked for it: `node`, the one that lists it, or `peer`.
    begun_by: &'static str,
    since_ms: u64,
}

/// A request that cannot be carried out: status, code, reason.
type Wrong = (StatusCode, &'static str, String);

pub(super) async fn list(State(front): State<Arc<Front>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let member = pairs(&query, &["member"]).map_err(malformed).and_then(|mut asked| match asked.pop() {
        Some((_, member)) => find(&front, &member),
        None => Ok(front.node.id()),
    });
    match member {
        Ok(own) if own == front.node.id() => shown(front.node.exchanges()),
        Ok(member) => match front.node.exchanges_of(member, PATIENCE).await {
            Ok(exchanges) => shown(exchanges),
            Err(error) => unanswered(&error),
        },
        Err((status, error, reason)) => problem(status, error, &reason),
    }
}

pub(super) async fn cancel(State(front): State<Arc<Front>>, RawQuery(query): RawQuery) -> Response {
    match selector(&front, &query.unwrap_or_default()) {
        Ok(which) => shown(front.node.cancel_exchanges(&which)),
        Err((status, error, reason)) => problem(status, error, &reason),
    }
}

/// Which are meant. A request that does not say is refused, and does not mean all.
fn selector(front: &Front, query: &str) -> Result<Selector, Wrong> {
    let asked = pairs(query, &["all", "peer", "handler", "reference"]).map_err(malformed)?;
    let [(name, value)] = &asked[..] else {
        return Err(malformed("say which: one of all=true, peer=, handler=, reference=".into()));
    };
    match *name {
        "peer" => find(front, value).map(Selector::Peer),
        "handler" => Ok(Selector::Handler(value.clone())),
        "reference" => {
            let number = value.parse().map_err(|_| malformed("a reference is a number".into()))?;
            Ok(Selector::One(ExchangeRef(number)))
        }
        _ if value == "true" => Ok(Selector::All),
        _ => Err(malformed("the only value of all is true".into())),
    }
}

fn malformed(reason: String) -> Wrong {
    (StatusCode::BAD_REQUEST, "malformed_query", reason)
}

fn shown(exchanges: Vec<Exchange>) -> Response {
    Json(exchanges.into_iter().map(ExchangeBody::of).collect::<Vec<_>>()).into_response()
}

impl ExchangeBody {
    fn of(exchange: Exchange) -> Self {
        Self {
            reference: exchange.reference.0,
            handler: exchange.handler,
            peer: exchange.peer.to_string(),
            scope: exchange.scope.map(|scope| scope.to_string()),
            begun_by: match exchange.begun_by {
                BegunBy::Node => "node",
                BegunBy::Peer => "peer",
            },
            since_ms: exchange.since_ms,
        }
    }
}
