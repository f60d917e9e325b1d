//! Answers that say what went wrong.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// The body of every answer that is no success.
#[derive(Serialize)]
struct Problem<'a> {
    error: &'a str,
    reason: &'a str,
}

/// An answer with a code for programs and a reason for people.
pub(super) fn problem(status: StatusCode, error: &str, reason: &str) -> Response {
    (status, Json(Problem { error, reason })).into_response()
}

pub(super) async fn no_such_page() -> Response {
    problem(StatusCode::NOT_FOUND, "not_found", "there is no such page; the dashboard is at /")
}
