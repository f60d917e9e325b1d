//! The nodes, and what can be asked of all of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use damson::identity::Identity;
use damson::transport::{Admission, ClusterSecret, TcpConfig, TcpTransport, TransportCounters};
use damson::{Node, Scope};
use rustix::rand::{GetRandomFlags, getrandom};
use tempfile::TempDir;

use crate::args::{BenchCluster, SyncWhen};

/// In which nodes find each other. A trifle on loopback.
const LINK_WITHIN: Duration = Duration::from_secs(30);
/// In which trees are known and the roster is everywhere, once all know all.
const SETTLE: Duration = Duration::from_secs(1);
/// Up to so many members all are linked to all.
const ALL_LINKED_MAX: usize = 6;

/// Running nodes.
pub struct Nodes {
    nodes: Vec<Node>,
    transports: Vec<Arc<TransportCounters>>,
    /// Removed in the end.
    _data: Option<TempDir>,
}

/// What all nodes have sent so far.
#[derive(Debug, Clone, Copy)]
pub struct Wire {
    pub bytes: u64,
    pub frames: u64,
}

impl Nodes {
    /// Starts nodes that join through the first, and waits until all know all.
    pub async fn start(args: &BenchCluster) -> anyhow::Result<Self> {
        let in_memory = args.sync == SyncWhen::Never;
        let directory = || tempfile::Builder::new().prefix("damson-bench-").tempdir();
        let data = if in_memory { None } else { Some(directory()?) };
        let secret = new_secret()?;
        let mut out = Self { nodes: Vec::new(), transports: Vec::new(), _data: data };
        for at in 0..args.nodes {
            out.add(&format!("n{}", at + 1), args.sync, &secret).await?;
        }
        out.all_know_all().await?;
        Ok(out)
    }

    async fn add(&mut self, name: &str, sync: SyncWhen, secret: &ClusterSecret) -> anyhow::Result<()> {
        let identity = Identity::generate();
        let admission = Admission { secrets: vec![secret.clone()], allowed: None };
        let tcp = TcpTransport::bind(TcpConfig { admission, ..TcpConfig::default() }, &identity).await?;
        self.transports.push(tcp.counters());
        let mut builder = Node::builder(name).realm("bench").identity(identity).transport(tcp);
        builder = builder.sync(sync.into());
        if let Some(data) = &self._data {
            builder = builder.data_dir(data.path().join(name));
        }
        if let Some(first) = self.nodes.first() {
            builder = builder.join(first.address());
        }
        self.nodes.push(builder.start().await?);
        Ok(())
    }

    async fn all_know_all(&self) -> anyhow::Result<()> {
        let count = self.nodes.len();
        let links = if count <= ALL_LINKED_MAX { count - 1 } else { 1 };
        let knows = |node: &Node| {
            let status = node.status();
            status.members == count && status.links >= links
        };
        let known = wait_for(LINK_WITHIN, || self.nodes.iter().all(knows)).await;
        ensure!(known.is_some(), "the nodes did not find each other within {} s", LINK_WITHIN.as_secs());
        tokio::time::sleep(SETTLE).await;
        Ok(())
    }

    pub fn count(&self) -> usize {
        self.nodes.len()
    }

    /// The scope of the benchmark, at each node.
    pub fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.nodes.iter().map(|node| node.scope("bench").expect("a sound name"))
    }

    /// Have all the same digest?
    pub fn are_equal(&self) -> bool {
        let first = self.nodes[0].digest();
        self.nodes.iter().all(|node| node.digest() == first)
    }

    /// What all have sent.
    pub fn wire(&self) -> Wire {
        let sum =
            |of: fn(&TransportCounters) -> u64| self.transports.iter().map(|counters| of(counters)).sum();
        Wire {
            bytes: sum(|counters| counters.bytes_out.load(Ordering::Relaxed)),
            frames: sum(|counters| counters.frames_out.load(Ordering::Relaxed)),
        }
    }

    /// Links closed because their queue was full.
    pub fn expelled(&self) -> u64 {
        self.nodes.iter().map(|node| node.counters().links_expelled).sum()
    }

    pub async fn stop(self) {
        for node in &self.nodes {
            if let Err(error) = node.stop().await {
                eprintln!("damson: {error}");
            }
        }
    }
}

/// Waits until something is so. Says when; nothing if it was not in time.
pub async fn wait_for(within: Duration, mut is_so: impl FnMut() -> bool) -> Option<Instant> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > within {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Some(Instant::now())
}

fn new_secret() -> anyhow::Result<ClusterSecret> {
    let mut secret = [0; 32];
    let filled = getrandom(&mut secret, GetRandomFlags::empty()).context("no randomness for a secret")?;
    ensure!(filled == secret.len(), "too little randomness for a secret");
    Ok(secret.into())
}
