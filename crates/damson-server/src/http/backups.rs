//! Copying the node's state while it runs.
//!
//! `POST /v1/backups` takes a snapshot, and says what it is of. `GET /v1/backups/{id}/segments/{number}`, from 0 on, has its
//! rows in parts, as `damson::backup` draws them: their BLAKE3, how many rows they are and whether it is the last part
//! are in headers. Each part can be asked for again. `DELETE /v1/backups/{id}` ends it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use damson::backup::{BackupError, Segment};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::problem::problem;
use crate::backups::NoBackup;
use crate::front::Front;

/// How long a request waits for others that read the same backup.
const TURN_MAX: Duration = Duration::from_secs(10);

pub(super) async fn begin(State(front): State<Arc<Front>>) -> Response {
    match front.backups.begin(&front.node).await {
        Ok(facts) => (StatusCode::CREATED, Json(facts)).into_response(),
        Err(NoBackup::TooMany) => {
            let reason = "as many backups as may be are under way; one that nobody goes on with is dropped after a while";
            problem(StatusCode::CONFLICT, "too_many_backups", reason)
        }
        Err(NoBackup::Refused(error)) => refused(&error),
    }
}

pub(super) async fn facts(State(front): State<Arc<Front>>, Path(id): Path<String>) -> Response {
    front.backups.get(&id).map_or_else(unknown, |held| Json(held.backup.facts()).into_response())
}

pub(super) async fn end(State(front): State<Arc<Front>>, Path(id): Path<String>) -> Response {
    if front.backups.end(&id) { Json(json!({ "ended": id })).into_response() } else { unknown() }
}

pub(super) async fn segment(
    State(front): State<Arc<Front>>,
    Path((id, number)): Path<(String, String)>,
) -> Response {
    let Some(held) = front.backups.get(&id) else { return unknown() };
    let Ok(number) = number.parse() else {
        return problem(StatusCode::BAD_REQUEST, "malformed_number", "segments are numbered from 0 on");
    };
    let turn = tokio::time::timeout(TURN_MAX, held.readers.clone().acquire_owned()).await;
    let Ok(Ok(turn)) = turn else {
        let reason = "others are reading this backup, and do not take what they asked for";
        return problem(StatusCode::SERVICE_UNAVAILABLE, "busy", reason);
    };
    // It reads from disk.
    let read = tokio::task::spawn_blocking(move || {
        let segment = held.backup.segment(number);
        held.touch();
        segment.map(|segment| (segment.checksum(), segment))
    });
    match read.await {
        Ok(Ok((checksum, segment))) => answer(segment, &checksum, turn),
        Ok(Err(error @ BackupError::Ended)) => {
            front.backups.end(&id);
            problem(StatusCode::NOT_FOUND, "no_such_backup", &error.to_string())
        }
        Ok(Err(error)) => refused(&error),
        Err(_) => problem(StatusCode::INTERNAL_SERVER_ERROR, "unreadable", "reading the segment has failed"),
    }
}

/// The rows, and the turn of the one who asked, which is over when they are sent.
struct Sending {
    bytes: Bytes,
    _turn: OwnedSemaphorePermit,
}

impl AsRef<[u8]> for Sending {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

fn answer(segment: Segment, checksum: &str, turn: OwnedSemaphorePermit) -> Response {
    let headers = [
        (CONTENT_TYPE.as_str(), "application/octet-stream".to_string()),
        ("x-damson-blake3", checksum.to_string()),
        ("x-damson-rows", segment.rows.to_string()),
        ("x-damson-last", segment.is_last.to_string()),
    ];
    (headers, Bytes::from_owner(Sending { bytes: segment.bytes, _turn: turn })).into_response()
}

fn unknown() -> Response {
    let reason = "there is no such backup; one that nobody goes on with is dropped after a while";
    problem(StatusCode::NOT_FOUND, "no_such_backup", reason)
}

fn refused(error: &BackupError) -> Response {
    let (status, code) = match error {
        BackupError::NothingStored => (StatusCode::CONFLICT, "nothing_stored"),
        BackupError::NoSnapshot { .. } => (StatusCode::SERVICE_UNAVAILABLE, "no_snapshot"),
        BackupError::TooEarly { .. } => (StatusCode::CONFLICT, "too_early"),
        _ => (StatusCode::INTERNAL_SERVER_ERROR, "unreadable"),
    };
    problem(status, code, &error.to_string())
}
