//! The tree of a member as all members tell it. A page in a browser can ask only the node that it came from, so that one asks
//! the others.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use damson::{CallError, MemberInfo, MemberState, NodeId, TreeView};
use serde::Serialize;

use super::asked::code;
use super::problem::problem;
use super::tree::{asked, find};
use crate::front::Front;

/// Members that are asked for one answer. `damson tree` asks more, a few at a time.
const MEMBERS_MAX: usize = 64;
/// How long each is given.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct TreesBody {
    root: String,
    nodes: Vec<NodeBody>,
}

#[derive(Serialize)]
struct NodeBody {
    id: String,
    name: String,
    state: &'static str,
    reached: bool,
    #[serde(flatten)]
    place: Place,
}

/// What a member says of its place, or why it says nothing.
#[derive(Serialize)]
#[serde(untagged)]
enum Place {
    Told {
        parent: Option<String>,
        children: Vec<String>,
        lazy: Vec<String>,
        distance_ms: Option<u16>,
        hops: Option<u16>,
    },
    Silent {
        error: &'static str,
        reason: String,
    },
}

/// The places of all members that have not left in the tree of `?root=`, a name or an id; without one, of this node itself.
pub(super) async fn trees(State(front): State<Arc<Front>>, RawQuery(query): RawQuery) -> Response {
    let root = match asked(&query.unwrap_or_default()) {
        Ok(None) => Ok(front.node.id()),
        Ok(Some(root)) => find(&front, &root),
        Err(reason) => Err((StatusCode::BAD_REQUEST, "malformed_query", reason)),
    };
    let root = match root {
        Ok(root) => root,
        Err((status, error, reason)) => return problem(status, error, &reason),
    };
    let mut members = front.node.members();
    members.retain(|member| member.state != MemberState::Left);
    if members.len() > MEMBERS_MAX {
        let reason = format!(
            "there are {} members, and no more than {MEMBERS_MAX} are asked at once; `damson tree` draws larger trees",
            members.len()
        );
        return problem(StatusCode::CONFLICT, "too_many_members", &reason);
    }
    // Who is judged dead is not dialled again and again for a picture.
    let present: Vec<NodeId> = members.iter().filter(|m| m.state.is_present()).map(|m| m.id).collect();
    let mut places: BTreeMap<NodeId, _> =
        front.node.trees(root, &present, PATIENCE).await.into_iter().collect();
    let body = |member: MemberInfo| {
        let place = places.remove(&member.id);
        NodeBody::of(member, place)
    };
    Json(TreesBody { root: root.to_string(), nodes: members.into_iter().map(body).collect() }).into_response()
}

impl NodeBody {
    fn of(member: MemberInfo, place: Option<Result<TreeView, CallError>>) -> Self {
        let (id, name, state) = (member.id.to_string(), member.name, member.state.name());
        let place = match place {
            Some(Ok(view)) => Place::told(view),
            Some(Err(error)) => Place::Silent { error: code(&error), reason: error.to_string() },
            None => Place::Silent { error: "dead", reason: "it is judged dead and was not asked".into() },
        };
        Self { id, name, state, reached: matches!(place, Place::Told { .. }), place }
    }
}

impl Place {
    fn told(view: TreeView) -> Self {
        let TreeView { parent, children, lazy, distance_ms, hops, .. } = view;
        let texts = |ids: Vec<NodeId>| ids.iter().map(ToString::to_string).collect();
        let parent = parent.map(|parent| parent.to_string());
        Self::Told { parent, children: texts(children), lazy: texts(lazy), distance_ms, hops }
    }
}
