//! Single puts: how soon the other nodes tell of them.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use bytes::Bytes;
use damson::{Change, Scope, Slot};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::nodes::Nodes;
use crate::args::BenchCluster;

/// By what a key is found to be visible.
pub const BY: &str = "watch";
/// What single puts have in common.
const PREFIX: &str = "s:";
/// Anti-entropy would have brought it by then.
const PATIENCE: Duration = Duration::from_secs(30);

/// A key was told at one of the other nodes.
struct Told {
    key: Bytes,
    at: Instant,
}

/// From each put until it was visible on all other nodes.
pub async fn measure(
    nodes: &Nodes,
    args: &BenchCluster,
    mut progress: impl FnMut(u32),
) -> anyhow::Result<Vec<Duration>> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut watchers = JoinSet::new();
    for scope in nodes.scopes().skip(1) {
        watchers.spawn(watch(scope, tell.clone()));
    }
    let first = nodes.scopes().next().context("no nodes")?;
    let value = Bytes::from(vec![0x5a; usize::try_from(args.value_bytes)?]);
    let mut out = Vec::new();
    for put in 0..args.singles {
        progress(put);
        let slot = Slot::key(format!("{PREFIX}{put:014}"));
        let began = Instant::now();
        first.write(|tx| tx.put_register(&slot, value.clone(), None)).await?;
        let last = last_told(&mut told, &slot.key, nodes.count() - 1);
        let last = tokio::time::timeout(PATIENCE, last).await.context("a put was not told")??;
        out.push(last.saturating_duration_since(began));
    }
    Ok(out)
}

/// When the last of so many nodes told of this key.
async fn last_told(
    told: &mut mpsc::UnboundedReceiver<Told>,
    key: &Bytes,
    nodes: usize,
) -> anyhow::Result<Instant> {
    let mut last = None;
    for _ in 0..nodes {
        let next = told.recv().await.context("no watch is left")?;
        ensure!(next.key == *key, "{:?} was told twice", next.key);
        last = last.max(Some(next.at));
    }
    last.context("no other nodes")
}

/// Tells keys as soon as they are there.
async fn watch(scope: Scope, tell: mpsc::UnboundedSender<Told>) {
    let mut watch = scope.watch(PREFIX);
    loop {
        let Some(change) = watch.next().await else { return };
        let at = Instant::now();
        let keys = match change {
            Change::Snapshot(keys) => keys.into_iter().map(|(key, _)| key).collect(),
            Change::Changed { key, kind: Some(_) } => vec![key],
            Change::Changed { kind: None, .. } => Vec::new(),
        };
        for key in keys {
            if tell.send(Told { key, at }).is_err() {
                return;
            }
        }
    }
}
