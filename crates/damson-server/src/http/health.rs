//! Is the process alive, and may the node serve?

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use damson::{MemoryLevel, MemoryUse, Node, Readiness};
use serde_json::json;

use crate::front::Front;

/// Always well, as long as it answers.
pub(super) async fn live() -> Response {
    Json(json!({ "live": true })).into_response()
}

/// It serves, and takes writes that add.
pub(super) async fn ready(State(front): State<Arc<Front>>) -> Response {
    answer(&front, reason(&front.node))
}

/// It serves reads, deletes, and writes that do not add, though memory may be full. Nodes with equal limits fill up together,
/// and whoever takes all of them away takes the deletes away, too.
pub(super) async fn ready_for_reads(State(front): State<Arc<Front>>) -> Response {
    answer(&front, reason_of(&front.node.readiness()))
}

fn answer(front: &Front, reason: Option<String>) -> Response {
    let memory = front.node.memory();
    let status = if reason.is_none() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({ "ready": reason.is_none(), "reason": reason, "memory": memory.level().name() });
    (status, Json(body)).into_response()
}

/// Why a node may not serve, or takes no writes that add; `None` when it does.
pub(super) fn reason(node: &Node) -> Option<String> {
    reason_of(&node.readiness()).or_else(|| reason_of_memory(node.memory()))
}

fn reason_of_memory(memory: MemoryUse) -> Option<String> {
    let MemoryUse { used_bytes, limit_bytes } = memory;
    let limit = limit_bytes.filter(|_| memory.level() == MemoryLevel::Full)?;
    Some(format!("memory is full: {used_bytes} bytes of {limit}; reads and deletes are served"))
}

/// Why a node may not serve at all; `None` when it may.
fn reason_of(readiness: &Readiness) -> Option<String> {
    Some(match readiness {
        Readiness::Ready => return None,
        Readiness::Joining => "the node waits for the first sync with a member".into(),
        Readiness::Duplicate => {
            "another live process has this node's id, and the cluster does not take this one".into()
        }
        Readiness::Forgotten => {
            "the other members have forgotten this one: start it again, and it begins empty".into()
        }
        Readiness::ClockSuspect => "the node's clock is far from those of most of its neighbours".into(),
        Readiness::Storage { cause } => format!("storage has failed: {cause}"),
        other => format!("{other:?}"),
    })
}
