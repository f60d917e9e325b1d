//! Health, metrics, status, trees, exchanges, backups and the dashboard over HTTP.

mod asked;
mod backups;
mod dashboard;
mod exchanges;
mod exposition;
mod guard;
mod health;
mod listener;
mod members;
mod problem;
mod query;
mod status;
mod tree;
mod trees;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::front::Front;
use crate::server::stopped;
use listener::Limited;

/// Serves until told to stop, and until what was in flight then is finished.
pub(crate) async fn serve(listener: TcpListener, front: Arc<Front>, mut stopping: watch::Receiver<bool>) {
    let listener = Limited::new(listener, front.limits.http_connections_max);
    let mut stop = stopping.clone();
    let told = async move { stopped(&mut stop).await };
    let serving = axum::serve(listener, router(front.clone())).with_graceful_shutdown(told);
    let cut_off = async {
        stopped(&mut stopping).await;
        tokio::time::sleep(front.limits.stop_max).await;
    };
    tokio::select! {
        served = serving => if let Err(error) = served {
            tracing::warn!(%error, "HTTP has ended");
        },
        () = cut_off => tracing::warn!("HTTP clients that did not take their answers in time were cut off"),
    }
}

fn router(front: Arc<Front>) -> Router {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/readyz/reads", get(health::ready_for_reads))
        .route("/metrics", get(exposition::metrics))
        .route("/v1/status", get(status::status))
        .route("/v1/members", get(members::list))
        .route("/v1/members/{id}/forget", post(members::forget))
        .route("/v1/sync/{id}", post(members::sync))
        .route("/v1/tree", get(tree::tree))
        .route("/v1/trees", get(trees::trees))
        .route("/v1/exchanges", get(exchanges::list).delete(exchanges::cancel))
        .route("/v1/backups", post(backups::begin))
        .route("/v1/backups/{id}", get(backups::facts).delete(backups::end))
        .route("/v1/backups/{id}/segments/{number}", get(backups::segment))
        .merge(dashboard::routes())
        .fallback(problem::no_such_page)
        .layer(DefaultBodyLimit::max(front.limits.http_body_bytes_max))
        .layer(from_fn_with_state(front.clone(), guard::guard))
        .with_state(front)
}
