//! Members that were asked on somebody's behalf and did not answer.

use axum::http::StatusCode;
use axum::response::Response;
use damson::CallError;

use super::problem::problem;

/// The code of an error for programs.
pub(super) fn code(error: &CallError) -> &'static str {
    match error {
        CallError::NoSuchMember => "no_such_member",
        CallError::Unreachable => "unreachable",
        CallError::TimedOut => "timed_out",
        CallError::NotOffered => "not_offered",
        CallError::TooLarge { .. } => "too_large",
        CallError::TooMany { .. } => "too_many_questions",
        CallError::Stopped => "stopped",
        _ => "failed",
    }
}

/// The answer when one member was asked.
pub(super) fn unanswered(error: &CallError) -> Response {
    let status = match error {
        CallError::NoSuchMember => StatusCode::NOT_FOUND,
        CallError::TimedOut => StatusCode::GATEWAY_TIMEOUT,
        CallError::TooMany { .. } | CallError::Stopped => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    };
    problem(status, code(error), &error.to_string())
}
