//! Many puts at all nodes at once, until all are equal.

use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use damson::{Scope, Slot, WriteError};
use tokio::task::JoinSet;

use super::nodes::{Nodes, wait_for};
use crate::args::BenchCluster;

/// Puts that a writer issues before it waits for the acknowledgement of the last, and with it of all.
const PIPELINE: u32 = 64;
/// In which all must be equal once all is acknowledged.
const EQUAL_WITHIN: Duration = Duration::from_secs(120);

/// What was measured.
pub struct Burst {
    pub acknowledged: Duration,
    /// Absent when the nodes did not become equal.
    pub converged: Option<Duration>,
    pub wire_bytes: u64,
    pub frames: u64,
    pub expelled: u64,
}

/// Puts all, and waits until all nodes have the same digest.
pub async fn measure(nodes: &Nodes, args: &BenchCluster) -> anyhow::Result<Burst> {
    let value = Bytes::from(vec![0x5a; usize::try_from(args.value_bytes)?]);
    let (before, expelled) = (nodes.wire(), nodes.expelled());
    let began = Instant::now();
    let mut writers = JoinSet::new();
    for (at, scope) in nodes.scopes().enumerate() {
        writers.spawn(put(scope, at, share(args, at), value.clone()));
    }
    while let Some(written) = writers.join_next().await {
        written.context("a writer has ended")??;
    }
    let acknowledged = began.elapsed();
    let equal = wait_for(EQUAL_WITHIN, || nodes.are_equal()).await;
    let after = nodes.wire();
    Ok(Burst {
        acknowledged,
        converged: equal.map(|at| at - began),
        wire_bytes: after.bytes - before.bytes,
        frames: after.frames - before.frames,
        expelled: nodes.expelled() - expelled,
    })
}

/// How many of the puts are this node's.
fn share(args: &BenchCluster, at: usize) -> u32 {
    let nodes = u32::from(args.nodes);
    args.puts / nodes + u32::from((at as u64) < u64::from(args.puts % nodes))
}

async fn put(scope: Scope, at: usize, count: u32, value: Bytes) -> Result<(), WriteError> {
    for first in (0..count).step_by(PIPELINE as usize) {
        let mut last = None;
        for n in first..count.min(first + PIPELINE) {
            let slot = Slot::key(format!("b{at:02}:{n:012}"));
            let issued = scope.issue(|tx| tx.put_register(&slot, value.clone(), None)).await?;
            last = Some(issued.ticket);
        }
        if let Some(ticket) = last {
            scope.durable(ticket).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::SyncWhen;

    #[test]
    fn all_puts_are_shared_out() {
        for (nodes, puts) in [(3, 100), (3, 2), (7, 1_000_003)] {
            let (singles, value_bytes, sync, json) = (1, 64, SyncWhen::Never, false);
            let args = BenchCluster { nodes, puts, singles, value_bytes, sync, json };
            let shares = (0..usize::from(nodes)).map(|at| share(&args, at));
            assert_eq!(shares.sum::<u32>(), puts);
        }
    }
}
