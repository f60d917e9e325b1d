//! Asking all members for their place in a tree.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::shape::{Member, Tree, View};
use crate::http::{Patience, fetch_json};

/// Members that are asked at once.
const ASKED_MAX: usize = 16;
/// One member's patience. Its answer names its neighbours, of which it has at most some hundreds.
const PATIENCE: Patience = Patience { timeout: Duration::from_secs(2), bytes_max: 1 << 20 };

/// A member as the roster has it.
#[derive(Debug, Deserialize)]
struct Listed {
    id: String,
    name: String,
    state: String,
    http: Option<String>,
}

/// Asks a node who the members are and whose tree is meant, and then each member for its place.
pub async fn survey(http: &str, root: Option<&str>) -> anyhow::Result<Tree> {
    let query = root.map(|root| format!("?root={}", utf8_percent_encode(root, NON_ALPHANUMERIC)));
    let path = format!("/v1/tree{}", query.unwrap_or_default());
    let first: View = parsed(fetch_json(http, &path, Patience::default()).await?)?;
    let members: Vec<Listed> = parsed(fetch_json(http, "/v1/members", Patience::default()).await?)?;
    let places = Arc::new(Semaphore::new(ASKED_MAX));
    let mut asked = JoinSet::new();
    // Who has left is not there to be asked.
    for listed in members.into_iter().filter(|listed| listed.state != "left") {
        let (first, places) = (first.clone(), places.clone());
        asked.spawn(async move {
            let _place = places.acquire_owned().await.expect("the semaphore is never closed");
            let view = if listed.id == first.node { Ok(first) } else { ask(&listed, &first.root).await };
            let Listed { id, name, state, http } = listed;
            (id, Member { name, state, http, view })
        });
    }
    Ok(Tree { root: first.root, members: asked.join_all().await.into_iter().collect() })
}

async fn ask(listed: &Listed, root: &str) -> Result<View, String> {
    let http = listed.http.as_deref().ok_or("it has no HTTP address")?;
    let answer = fetch_json(http, &format!("/v1/tree?root={root}"), PATIENCE).await;
    let view: View = answer.and_then(parsed).map_err(|error| format!("{http}: {}", error.root_cause()))?;
    // Addresses on loopback mean another node on another machine.
    if view.node != listed.id {
        return Err(format!("at {http} another node answers: it can be asked only from where it runs"));
    }
    Ok(view)
}

fn parsed<T: serde::de::DeserializeOwned>(answer: serde_json::Value) -> anyhow::Result<T> {
    serde_json::from_value(answer).context("the answer is not that of a node of this version")
}
