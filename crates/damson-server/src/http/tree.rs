//! This node's place in the tree over which a member's writes travel.

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use damson::{NodeId, TreeView};
use serde::Serialize;

use super::problem::problem;
use super::query::pairs;
use crate::front::Front;

#[derive(Serialize)]
struct TreeBody {
    root: String,
    node: String,
    parent: Option<String>,
    children: Vec<String>,
    /// Neighbours that are neither.
    lazy: Vec<String>,
    /// How far the root is.
    distance_ms: Option<u16>,
    hops: Option<u16>,
}

/// The tree of `?root=`, a name or an id; without one, of this node itself.
pub(super) async fn tree(State(front): State<Arc<Front>>, RawQuery(query): RawQuery) -> Response {
    let root = match asked(&query.unwrap_or_default()) {
        Ok(None) => Ok(front.node.id()),
        Ok(Some(root)) => find(&front, &root),
        Err(reason) => Err((StatusCode::BAD_REQUEST, "malformed_query", reason)),
    };
    match root {
        Ok(root) => Json(TreeBody::of(front.node.tree(root))).into_response(),
        Err((status, error, reason)) => problem(status, error, &reason),
    }
}

/// What the query says of the root.
pub(super) fn asked(query: &str) -> Result<Option<String>, String> {
    Ok(pairs(query, &["root"])?.pop().map(|(_, root)| root))
}

/// A member by id or by name. A name that several had is that of the one who is present.
pub(super) fn find(front: &Front, root: &str) -> Result<NodeId, (StatusCode, &'static str, String)> {
    let members = front.node.members();
    let id: Option<NodeId> = root.parse().ok();
    if let Some(member) = members.iter().find(|member| Some(member.id) == id) {
        return Ok(member.id);
    }
    let named: Vec<_> = members.iter().filter(|member| member.name == root).collect();
    let present: Vec<_> = named.iter().copied().filter(|member| member.state.is_present()).collect();
    match (&named[..], &present[..]) {
        ([one], _) | (_, [one]) => Ok(one.id),
        ([], _) => {
            let reason = "no member has this name or id; /v1/members lists them";
            Err((StatusCode::NOT_FOUND, "no_such_member", reason.into()))
        }
        _ => {
            let ids: Vec<String> = named.iter().take(8).map(|member| member.id.to_string()).collect();
            let reason = format!("several members have this name; give the id of one: {}", ids.join(", "));
            Err((StatusCode::CONFLICT, "ambiguous_name", reason))
        }
    }
}

impl TreeBody {
    fn of(view: TreeView) -> Self {
        let texts = |ids: Vec<NodeId>| ids.iter().map(ToString::to_string).collect();
        Self {
            root: view.root.to_string(),
            node: view.node.to_string(),
            parent: view.parent.map(|parent| parent.to_string()),
            children: texts(view.children),
            lazy: texts(view.lazy),
            distance_ms: view.distance_ms,
            hops: view.hops,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_is_decoded_and_anything_else_in_the_query_is_refused() {
        assert_eq!(asked(""), Ok(None));
        assert_eq!(asked("root=n1"), Ok(Some("n1".into())));
        assert_eq!(asked("root=n%201%26%C3%A9"), Ok(Some("n 1&é".into())));
        for bad in ["root", "Root=n1", "root=%FF", "x=1&root=n1"] {
            assert!(asked(bad).is_err(), "{bad}");
        }
    }
}
