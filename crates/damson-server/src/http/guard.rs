//! What every request and every answer passes.
//!
//! The port is open to this machine only, but a browser on this machine runs pages from elsewhere. Such a page must
//! neither read what the node says, by pointing a name of its own at the loopback address (so the `Host` is checked),
//! nor change anything by posting to it blindly (so the `Origin` is checked, which browsers add to such requests).

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::problem::problem;
use crate::front::Front;

const HEADERS: [(HeaderName, &str); 7] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub(super) async fn guard(State(front): State<Arc<Front>>, request: Request, next: Next) -> Response {
    front.metrics.http_request();
    let mut response = match refusal(request.method(), request.headers()) {
        Some((status, error, reason)) => problem(status, error, reason),
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

fn refusal(method: &Method, headers: &HeaderMap) -> Option<(StatusCode, &'static str, &'static str)> {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let Some(host) = host.filter(|host| is_loopback(host)) else {
        let reason =
            "the Host header must be localhost or a loopback address: this port is for this machine only";
        return Some((StatusCode::MISDIRECTED_REQUEST, "wrong_host", reason));
    };
    let safe = *method == Method::GET || *method == Method::HEAD;
    if !safe && !is_same_origin(headers, host) {
        let reason = "the request comes from a page of another origin";
        return Some((StatusCode::FORBIDDEN, "wrong_origin", reason));
    }
    None
}

/// Is this `Host` one of this machine alone?
fn is_loopback(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(bracketed) => bracketed.split(']').next().unwrap_or_default(),
        None => host.rsplit_once(':').map_or(host, |(name, _)| name),
    };
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Programs send no `Origin`; pages of our own send ours.
fn is_same_origin(headers: &HeaderMap, host: &str) -> bool {
    let origin = headers.get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    origin.is_none_or(|origin| origin.strip_prefix("http://").is_some_and(|own| own == host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_hosts() {
        for host in ["localhost", "LOCALHOST:80", "127.0.0.1", "127.1.2.3:7480", "[::1]", "[::1]:7480"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.1:80",
            "[::2]",
            "localhost.evil.example:80",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_page_from_elsewhere_cannot_post() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("127.0.0.1:7480"));
        assert!(refusal(&Method::POST, &headers).is_none());
        headers.insert(header::ORIGIN, HeaderValue::from_static("http://127.0.0.1:7480"));
        assert!(refusal(&Method::POST, &headers).is_none());
        for origin in ["http://evil.example", "null", "https://127.0.0.1:7480", "http://127.0.0.1:1"] {
            headers.insert(header::ORIGIN, HeaderValue::from_static(origin));
            assert!(refusal(&Method::POST, &headers).is_some(), "{origin}");
        }
    }
}
