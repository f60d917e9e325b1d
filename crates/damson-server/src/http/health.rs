//! Is the process alive, and may the node serve?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use damson::Readiness;
use serde_json::json;

use crate::front::Front;

/// Always well, as long as it answers.
pub(super) async fn live() -> Response {
    Json(json!({ "live": true })).into_response()
}

pub(super) async fn ready(State(front): State<Arc<Front>>) -> Response {
    let readiness = front.node.readiness();
    let status = if readiness == Readiness::Ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let reason = reason(&readiness);
    (status, Json(json!({ "ready": reason.is_none(), "reason": reason }))).into_response()
}

/// Why a node may not serve; `None` when it may.
pub(super) fn reason(readiness: &Readiness) -> Option<String> {
    Some(match readiness {
        Readiness::Ready => return None,
        Readiness::Joining => "the node waits for the first sync with a member".into(),
        Readiness::Duplicate => {
            "another live process has this node's id, and the cluster does not take this one".into()
        }
        Readiness::ClockSuspect => "the node's clock is far from those of most of its neighbours".into(),
        Readiness::Storage { cause } => format!("storage has failed: {cause}"),
        other => format!("{other:?}"),
    })
}
