//! Who is in the cluster, as this node knows it.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use damson::{MemberInfo, MemberState, NodeId};
use serde::Serialize;
use serde_json::json;

use super::problem::problem;
use crate::front::Front;

#[derive(Serialize)]
pub(super) struct MemberBody {
    name: String,
    id: String,
    address: String,
    http: Option<String>,
    zone: Option<String>,
    incarnation: u64,
    /// `alive`, `suspect`, `dead` or `left`.
    state: &'static str,
    judged_by: Option<String>,
    linked: bool,
    /// The digest that it told last.
    digest: Option<String>,
}

pub(super) async fn list(State(front): State<Arc<Front>>) -> Json<Vec<MemberBody>> {
    Json(front.node.members().into_iter().map(MemberBody::of).collect())
}

/// Removes a member that is dead or has left, for good.
pub(super) async fn forget(State(front): State<Arc<Front>>, Path(id): Path<String>) -> Response {
    let id = match known(&front, &id) {
        Ok(member) if matches!(member.state, MemberState::Alive | MemberState::Suspect) => {
            let reason = "the member is present: only one that is dead or has left can be forgotten";
            return problem(StatusCode::CONFLICT, "member_present", reason);
        }
        Ok(member) => member.id,
        Err(response) => return *response,
    };
    if front.node.forget(id) {
        Json(json!({ "forgotten": id.to_string() })).into_response()
    } else {
        problem(StatusCode::CONFLICT, "member_present", "the member has returned")
    }
}

/// Begins a round of anti-entropy with a member now.
pub(super) async fn sync(State(front): State<Arc<Front>>, Path(id): Path<String>) -> Response {
    let id = match known(&front, &id) {
        Ok(member) => member.id,
        Err(response) => return *response,
    };
    if front.node.sync_with(id) {
        (StatusCode::ACCEPTED, Json(json!({ "syncing": id.to_string() }))).into_response()
    } else {
        problem(StatusCode::CONFLICT, "not_linked", "there is no open link to that member")
    }
}

fn known(front: &Front, id: &str) -> Result<MemberInfo, Box<Response>> {
    let wrong = |status, error, reason: &str| Box::new(problem(status, error, reason));
    let parsed: Result<NodeId, _> = id.parse();
    let id = parsed.map_err(|error| wrong(StatusCode::BAD_REQUEST, "malformed_id", &error.to_string()))?;
    let found = front.node.members().into_iter().find(|member| member.id == id);
    found.ok_or_else(|| wrong(StatusCode::NOT_FOUND, "no_such_member", "no member has this id"))
}

impl MemberBody {
    fn of(member: MemberInfo) -> Self {
        Self {
            name: member.name,
            id: member.id.to_string(),
            address: member.address,
            http: member.http,
            zone: member.zone,
            incarnation: member.incarnation,
            state: member.state.name(),
            judged_by: member.judged_by.map(|judge| judge.to_string()),
            linked: member.linked,
            digest: member.digest.map(|digest| digest.to_string()),
        }
    }
}
