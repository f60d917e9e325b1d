//! chitchat's part.

use std::time::{Duration, Instant};

use anyhow::Context;

use super::{Joined, WITHIN};
use crate::chitchats::Nodes;
use crate::entry::entry;
use crate::patience::wait_for;

/// A node holds so many keys, and a second starts.
pub async fn measure(keys: u32, gossip: Duration) -> anyhow::Result<Joined> {
    let mut nodes = Nodes::start(1, gossip).await?;
    let entries: Vec<_> = (0..u64::from(keys)).map(entry).collect();
    nodes.put(0, &entries).await;
    let before = nodes.sent_bytes();
    let began = Instant::now();
    nodes.add().await?;
    let equal = wait_for(WITHIN, async || nodes.all_have_all().await).await;
    let took = began.elapsed();
    equal.with_context(|| format!("the new node of chitchat lacks keys after {} s", WITHIN.as_secs()))?;
    let bytes = nodes.sent_bytes() - before;
    nodes.check(entries.len()).await?;
    nodes.stop().await?;
    Ok(Joined { took, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_new_node_takes_all_and_its_bytes_are_counted() {
        let joined = measure(2_000, Duration::from_millis(5)).await.unwrap();
        assert!(joined.bytes > 2_000 * 60, "{joined:?}");
    }
}
