//! Nodes of Damson in this process: in memory, over TCP with TLS 1.3 and a cluster secret.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::{Context, ensure};
use bytes::Bytes;
use damson::identity::Identity;
use damson::transport::{Admission, ClusterSecret, TcpConfig, TcpTransport, TransportCounters};
use damson::{Node, Slot};
use rustix::rand::{GetRandomFlags, getrandom};

use crate::entry::{key, value};

/// Puts that are issued before the acknowledgement of the last is waited for.
const PIPELINE: usize = 64;

/// Running nodes in memory.
pub struct Nodes {
    nodes: Vec<Node>,
    transports: Vec<Arc<TransportCounters>>,
    secret: ClusterSecret,
}

impl Nodes {
    pub fn none() -> anyhow::Result<Self> {
        let mut secret = [0; 32];
        let filled = getrandom(&mut secret, GetRandomFlags::empty()).context("no randomness for a secret")?;
        ensure!(filled == secret.len(), "too little randomness for a secret");
        Ok(Self { nodes: Vec::new(), transports: Vec::new(), secret: secret.into() })
    }

    /// Starts one more, which joins through this contact.
    pub async fn add(&mut self, contact: Option<String>) -> anyhow::Result<()> {
        let identity = Identity::generate();
        let admission = Admission { secrets: vec![self.secret.clone()], allowed: None };
        let tcp = TcpTransport::bind(TcpConfig { admission, ..TcpConfig::default() }, &identity).await?;
        self.transports.push(tcp.counters());
        let name = format!("n{}", self.nodes.len() + 1);
        let builder = Node::builder(name).realm("bench").identity(identity).transport(tcp);
        let builder = contact.into_iter().fold(builder, |builder, contact| builder.join(contact));
        self.nodes.push(builder.start().await?);
        Ok(())
    }

    /// Where the first listens.
    pub fn first_address(&self) -> String {
        self.nodes[0].address()
    }

    /// Puts at the first node, each as a batch of its own.
    pub async fn put(&self, keys: u32, value_bytes: usize) -> anyhow::Result<()> {
        let scope = self.nodes[0].scope("bench")?;
        let numbers: Vec<u64> = (0..u64::from(keys)).collect();
        for some in numbers.chunks(PIPELINE) {
            let mut last = None;
            for n in some {
                let (slot, value) = (Slot::key(key(*n)), Bytes::from(value(*n, value_bytes)));
                last = Some(scope.issue(|tx| tx.put_register(&slot, value, None)).await?.ticket);
            }
            if let Some(ticket) = last {
                scope.durable(ticket).await?;
            }
        }
        Ok(())
    }

    /// Have all the same digest?
    pub fn are_equal(&self) -> bool {
        let first = self.nodes[0].digest();
        self.nodes.iter().all(|node| node.digest() == first)
    }

    /// Fails when not all hold so many keys, each with its value.
    pub fn check(&self, keys: u32, value_bytes: usize) -> anyhow::Result<()> {
        for node in &self.nodes {
            let scope = node.scope("bench")?;
            let missing = scope.read(|view| {
                let lacks =
                    |n: &u64| view.register(&Slot::key(key(*n))) != Some(Bytes::from(value(*n, value_bytes)));
                (0..u64::from(keys)).filter(lacks).count()
            });
            ensure!(missing == 0, "a node of Damson lacks {missing} of {keys} keys");
        }
        Ok(())
    }

    /// What all have sent.
    pub fn bytes(&self) -> u64 {
        self.transports.iter().map(|counters| counters.bytes_out.load(Ordering::Relaxed)).sum()
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        for node in self.nodes {
            node.stop().await?;
        }
        Ok(())
    }
}
