//! Damson's part.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::{Context, ensure};
use bytes::Bytes;
use damson::identity::Identity;
use damson::transport::{Admission, ClusterSecret, TcpConfig, TcpTransport, TransportCounters};
use damson::{Node, Slot};
use rustix::rand::{GetRandomFlags, getrandom};

use super::{Joined, WITHIN};
use crate::entry::entry;
use crate::patience::wait_for;

/// Puts that are issued before the acknowledgement of the last is waited for.
const PIPELINE: usize = 64;

/// Running nodes in memory.
struct Nodes {
    nodes: Vec<Node>,
    transports: Vec<Arc<TransportCounters>>,
    secret: ClusterSecret,
}

/// A node holds so many keys, and a second starts.
pub async fn measure(keys: u32) -> anyhow::Result<Joined> {
    let mut nodes = Nodes::none()?;
    nodes.add().await?;
    nodes.put(keys).await?;
    let began = Instant::now();
    nodes.add().await?;
    let equal = wait_for(WITHIN, async || nodes.are_equal()).await;
    let took = began.elapsed();
    equal.with_context(|| format!("the new node of Damson lacks keys after {} s", WITHIN.as_secs()))?;
    let bytes = nodes.bytes();
    nodes.check(keys)?;
    nodes.stop().await?;
    Ok(Joined { took, bytes })
}

impl Nodes {
    fn none() -> anyhow::Result<Self> {
        let mut secret = [0; 32];
        let filled = getrandom(&mut secret, GetRandomFlags::empty()).context("no randomness for a secret")?;
        ensure!(filled == secret.len(), "too little randomness for a secret");
        Ok(Self { nodes: Vec::new(), transports: Vec::new(), secret: secret.into() })
    }

    /// Starts one more, which knows the first.
    async fn add(&mut self) -> anyhow::Result<()> {
        let identity = Identity::generate();
        let admission = Admission { secrets: vec![self.secret.clone()], allowed: None };
        let tcp = TcpTransport::bind(TcpConfig { admission, ..TcpConfig::default() }, &identity).await?;
        self.transports.push(tcp.counters());
        let name = format!("n{}", self.nodes.len() + 1);
        let mut builder = Node::builder(name).realm("bench").identity(identity).transport(tcp);
        if let Some(first) = self.nodes.first() {
            builder = builder.join(first.address());
        }
        self.nodes.push(builder.start().await?);
        Ok(())
    }

    /// Puts at the first node, each as a batch of its own.
    async fn put(&self, keys: u32) -> anyhow::Result<()> {
        let scope = self.nodes[0].scope("bench")?;
        let numbers: Vec<u64> = (0..u64::from(keys)).collect();
        for some in numbers.chunks(PIPELINE) {
            let mut last = None;
            for (key, value) in some.iter().map(|n| entry(*n)) {
                let (slot, value) = (Slot::key(key), Bytes::from(value));
                last = Some(scope.issue(|tx| tx.put_register(&slot, value, None)).await?.ticket);
            }
            if let Some(ticket) = last {
                scope.durable(ticket).await?;
            }
        }
        Ok(())
    }

    /// Have all the same digest?
    fn are_equal(&self) -> bool {
        let first = self.nodes[0].digest();
        self.nodes.iter().all(|node| node.digest() == first)
    }

    /// Fails when not all hold so many keys, each with its value.
    fn check(&self, keys: u32) -> anyhow::Result<()> {
        for node in &self.nodes {
            let scope = node.scope("bench")?;
            let missing = scope.read(|view| {
                let lacks = |n: &u64| {
                    let (key, value) = entry(*n);
                    view.register(&Slot::key(key)) != Some(Bytes::from(value))
                };
                (0..u64::from(keys)).filter(lacks).count()
            });
            ensure!(missing == 0, "a node of Damson lacks {missing} of {keys} keys");
        }
        Ok(())
    }

    /// What all have sent.
    fn bytes(&self) -> u64 {
        self.transports.iter().map(|counters| counters.bytes_out.load(Ordering::Relaxed)).sum()
    }

    async fn stop(self) -> anyhow::Result<()> {
        for node in self.nodes {
            node.stop().await?;
        }
        Ok(())
    }
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
