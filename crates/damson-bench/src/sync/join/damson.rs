//! Damson's part.

use std::time::Instant;

use anyhow::Context;

use super::{Joined, WITHIN};
use crate::damsons::Nodes;
use crate::entry::VALUE_BYTES;
use crate::patience::wait_for;

/// A node holds so many keys, and a second starts.
pub async fn measure(keys: u32) -> anyhow::Result<Joined> {
    let mut nodes = Nodes::none()?;
    nodes.add(None).await?;
    nodes.put(keys, VALUE_BYTES).await?;
    let began = Instant::now();
    nodes.add(Some(nodes.first_address())).await?;
    let equal = wait_for(WITHIN, async || nodes.are_equal()).await;
    let took = began.elapsed();
    equal.with_context(|| format!("the new node of Damson lacks keys after {} s", WITHIN.as_secs()))?;
    let bytes = nodes.bytes();
    nodes.check(keys, VALUE_BYTES)?;
    nodes.stop().await?;
    Ok(Joined { took, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_new_node_takes_all_and_its_bytes_are_counted() {
        let joined = measure(2_000).await.unwrap();
        assert!(joined.bytes > 2_000 * 80, "{joined:?}");
    }
}
