//! The dashboard: a page of our own, without a build step, that works offline.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::front::Front;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

/// Path, type and text of each file.
const FILES: [(&str, &str, &str); 12] = [
    ("/", HTML, include_str!("../../assets/index.html")),
    ("/assets/style.css", CSS, include_str!("../../assets/style.css")),
    ("/assets/icon.svg", SVG, include_str!("../../assets/icon.svg")),
    ("/assets/app.js", JAVASCRIPT, include_str!("../../assets/app.js")),
    ("/assets/ask.js", JAVASCRIPT, include_str!("../../assets/ask.js")),
    ("/assets/exchanges.js", JAVASCRIPT, include_str!("../../assets/exchanges.js")),
    ("/assets/format.js", JAVASCRIPT, include_str!("../../assets/format.js")),
    ("/assets/ring.js", JAVASCRIPT, include_str!("../../assets/ring.js")),
    ("/assets/rates.js", JAVASCRIPT, include_str!("../../assets/rates.js")),
    ("/assets/shape.js", JAVASCRIPT, include_str!("../../assets/shape.js")),
    ("/assets/tree.js", JAVASCRIPT, include_str!("../../assets/tree.js")),
    ("/assets/verdict.js", JAVASCRIPT, include_str!("../../assets/verdict.js")),
];

pub(super) fn routes() -> Router<Arc<Front>> {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(move || async move { ([(header::CONTENT_TYPE, kind)], text).into_response() }))
    })
}
