//! chitchat's part.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use damson_sim::bench::percentile_ms;
use tokio::sync::mpsc;

use super::figures::Figures;
use crate::args::ClusterArgs;
use crate::chitchats::Nodes;
use crate::entry::{KEY_BYTES, VALUE_BYTES, entry, value};
use crate::patience::wait_for;

/// What single puts have in common.
const PREFIX: &str = "s:";
/// Single puts begin at any time between two rounds of gossip: the golden ratio spreads them evenly.
const SPREAD: f64 = 0.618_033_988_749_895;
/// In which a single put must be told, in which all must be equal after a burst.
const TOLD_WITHIN: Duration = Duration::from_secs(30);
const EQUAL_WITHIN: Duration = Duration::from_secs(300);

/// Single puts, then the burst.
pub async fn measure(args: &ClusterArgs) -> anyhow::Result<Figures> {
    let count = usize::from(args.nodes);
    let nodes = Nodes::start(count, args.gossip()).await?;
    let mut visible = singles(&nodes, args).await.context("single puts at chitchat")?;
    visible.sort_unstable();
    let (took, bytes) = burst(&nodes, args).await.context("the burst at chitchat")?;
    nodes.check(usize::try_from(args.puts + args.singles)?).await?;
    nodes.stop().await?;
    Ok(Figures {
        visible_ms_p50: percentile_ms(&visible, 50),
        visible_ms_p99: percentile_ms(&visible, 99),
        converged_puts_per_s: f64::from(args.puts) / took.as_secs_f64(),
        bytes_per_put: bytes as f64 / f64::from(args.puts),
    })
}

/// From each put at the first node until the last of the others tells of it.
async fn singles(nodes: &Nodes, args: &ClusterArgs) -> anyhow::Result<Vec<Duration>> {
    let (tell, mut told) = mpsc::unbounded_channel();
    let mut listeners = Vec::new();
    for at in 1..usize::from(args.nodes) {
        let tell = tell.clone();
        // Whoever is told too late has ended.
        let listener = nodes.listen(at, PREFIX, move |key| drop(tell.send((key.to_owned(), Instant::now()))));
        listeners.push(listener.await);
    }
    let mut out = Vec::new();
    for put in 0..args.singles {
        let phase = (f64::from(put) * SPREAD).fract();
        tokio::time::sleep(args.gossip().mul_f64(phase)).await;
        let suffix = format!("{put:0width$}", width = KEY_BYTES - PREFIX.len());
        let began = Instant::now();
        nodes.put(0, &[(format!("{PREFIX}{suffix}"), value(put.into(), VALUE_BYTES))]).await;
        let last = last_told(&mut told, &suffix, listeners.len());
        let last = tokio::time::timeout(TOLD_WITHIN, last).await.context("a put was not told")??;
        out.push(last.saturating_duration_since(began));
    }
    Ok(out)
}

/// When the last of so many nodes told of this key.
async fn last_told(
    told: &mut mpsc::UnboundedReceiver<(String, Instant)>,
    key: &str,
    nodes: usize,
) -> anyhow::Result<Instant> {
    let mut last = None;
    for _ in 0..nodes {
        let (next, at) = told.recv().await.context("no listener is left")?;
        ensure!(next == key, "{next:?} was told in place of {key:?}");
        last = last.max(Some(at));
    }
    last.context("no other nodes")
}

/// All nodes put their shares at once. How long until all have all, and what they have sent.
async fn burst(nodes: &Nodes, args: &ClusterArgs) -> anyhow::Result<(Duration, u64)> {
    let entries: Vec<_> = (0..u64::from(args.puts)).map(entry).collect();
    let share = entries.len().div_ceil(usize::from(args.nodes));
    let shares = entries.chunks(share).map(<[_]>::to_vec).collect();
    let before = nodes.sent_bytes();
    let began = Instant::now();
    nodes.put_everywhere(shares).await;
    let equal = wait_for(EQUAL_WITHIN, async || nodes.all_have_all().await).await;
    let took = began.elapsed();
    equal.with_context(|| format!("they are not equal after {} s", EQUAL_WITHIN.as_secs()))?;
    Ok((took, nodes.sent_bytes() - before))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn puts_are_told_and_spread_and_counted() {
        let args = ClusterArgs { nodes: 3, puts: 500, singles: 10, gossip_ms: 5, binary: None, json: true };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let figures = runtime.block_on(measure(&args)).unwrap();
        assert!(
            figures.visible_ms_p50 > 0.0 && figures.visible_ms_p99 >= figures.visible_ms_p50,
            "{figures:?}"
        );
        // Each put goes to two others, a quarter smaller at best.
        assert!(figures.bytes_per_put > 2.0 * 60.0 && figures.converged_puts_per_s > 0.0, "{figures:?}");
    }
}
