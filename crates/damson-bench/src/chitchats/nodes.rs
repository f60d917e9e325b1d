//! The nodes, and what can be asked of all of them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use chitchat::{
    Chitchat, ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, ListenerHandle,
    ProtocolVersion, spawn_chitchat,
};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::transport::{Bound, Sent};
use crate::patience::wait_for;

/// In which nodes find each other. A trifle on loopback.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);
/// How long deleted keys are remembered: nothing is deleted.
const DELETED_FOR: Duration = Duration::from_secs(3_600);
/// Puts for which a node's state is locked at once.
const TOGETHER: usize = 64;

/// Running nodes.
pub struct Nodes {
    handles: Vec<ChitchatHandle>,
    addresses: Vec<SocketAddr>,
    gossip: Duration,
    sent: Arc<Sent>,
}

impl Nodes {
    /// Starts so many, and waits until all take all for alive.
    pub async fn start(count: usize, gossip: Duration) -> anyhow::Result<Self> {
        let mut out = Self { handles: Vec::new(), addresses: Vec::new(), gossip, sent: Arc::default() };
        for _ in 0..count {
            out.add().await?;
        }
        let known = wait_for(KNOWN_WITHIN, async || out.all_know_all().await).await;
        ensure!(
            known.is_some(),
            "the nodes of chitchat did not find each other within {} s",
            KNOWN_WITHIN.as_secs()
        );
        Ok(out)
    }

    /// Starts one more, which knows the first.
    pub async fn add(&mut self) -> anyhow::Result<()> {
        let bound = Bound::new(&self.sent).await?;
        let id = ChitchatId::new(format!("n{}", self.handles.len() + 1), 0, bound.address);
        let config = ChitchatConfig {
            chitchat_id: id,
            cluster_id: "bench".into(),
            gossip_interval: self.gossip,
            listen_addr: bound.address,
            seed_nodes: self.addresses.first().map(SocketAddr::to_string).into_iter().collect(),
            // As in chitchat's own performance tests; the rest are its defaults.
            failure_detector_config: FailureDetectorConfig {
                initial_interval: self.gossip,
                ..FailureDetectorConfig::default()
            },
            marked_for_deletion_grace_period: DELETED_FOR,
            catchup_callback: None,
            extra_liveness_predicate: None,
            protocol_version: ProtocolVersion::V0,
        };
        self.addresses.push(bound.address);
        self.handles.push(spawn_chitchat(config, Vec::new(), &bound).await?);
        Ok(())
    }

    async fn all_know_all(&self) -> bool {
        for handle in &self.handles {
            if handle.with_chitchat(|chitchat| chitchat.live_nodes().count()).await != self.handles.len() {
                return false;
            }
        }
        true
    }

    /// What all have sent so far, in bytes.
    pub fn sent_bytes(&self) -> u64 {
        self.sent.bytes()
    }

    /// Puts into the map of a node.
    pub async fn put(&self, at: usize, entries: &[(String, String)]) {
        put_into(&self.handles[at].chitchat(), entries).await;
    }

    /// Puts shares into the maps of all nodes, at all at once, the first share at the first node.
    pub async fn put_everywhere(&self, shares: Vec<Vec<(String, String)>>) {
        let mut writers = JoinSet::new();
        for (handle, share) in self.handles.iter().zip(shares) {
            let chitchat = handle.chitchat();
            writers.spawn(async move { put_into(&chitchat, &share).await });
        }
        writers.join_all().await;
    }

    /// Calls this at a node when it has a new key that begins so, until what is returned is dropped.
    pub async fn listen(
        &self,
        at: usize,
        prefix: &str,
        told: impl Fn(&str) + Send + Sync + 'static,
    ) -> ListenerHandle {
        let chitchat = self.handles[at].chitchat();
        let chitchat = chitchat.lock().await;
        chitchat.subscribe_event(prefix, move |event| told(event.key))
    }

    /// Has each the newest version of each other's map?
    pub async fn all_have_all(&self) -> bool {
        let mut newest = Vec::new();
        for handle in &self.handles {
            newest.push(handle.with_chitchat(|chitchat| chitchat.self_node_state().max_version()).await);
        }
        for handle in &self.handles {
            let has = |chitchat: &Chitchat, owner: &ChitchatHandle, version: u64| {
                let map = chitchat.node_state(owner.chitchat_id());
                map.is_some_and(|map| map.max_version() == version)
            };
            let owners = || self.handles.iter().zip(&newest);
            if !handle.with_chitchat(|chitchat| owners().all(|(owner, n)| has(chitchat, owner, *n))).await {
                return false;
            }
        }
        true
    }

    /// All keys and values of all maps, as a node has them, in order.
    pub async fn contents(&self, at: usize) -> Vec<(String, String)> {
        let entries = |chitchat: &mut Chitchat| {
            let maps = chitchat.node_states().values();
            let entries =
                maps.flat_map(|map| map.key_values().map(|(key, value)| (key.into(), value.into())));
            entries.collect::<Vec<(String, String)>>()
        };
        let mut entries = self.handles[at].with_chitchat(entries).await;
        entries.sort();
        entries
    }

    /// Fails when not all hold the same, and so many keys.
    pub async fn check(&self, keys: usize) -> anyhow::Result<()> {
        let first = self.contents(0).await;
        ensure!(first.len() == keys, "a node of chitchat holds {} keys, not {keys}", first.len());
        for at in 1..self.handles.len() {
            ensure!(
                self.contents(at).await == first,
                "nodes 1 and {} of chitchat hold different keys",
                at + 1
            );
        }
        Ok(())
    }

    pub async fn stop(self) -> anyhow::Result<()> {
        for handle in self.handles {
            handle.shutdown().await.context("a node of chitchat does not stop")?;
        }
        Ok(())
    }
}

async fn put_into(chitchat: &Mutex<Chitchat>, entries: &[(String, String)]) {
    for some in entries.chunks(TOGETHER) {
        let mut chitchat = chitchat.lock().await;
        let map = chitchat.self_node_state();
        some.iter().for_each(|(key, value)| map.set(key, value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::entry;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nodes_come_to_hold_what_all_have_put_and_every_byte_is_counted() {
        let nodes = Nodes::start(3, Duration::from_millis(5)).await.unwrap();
        let entries: Vec<_> = (0..300).map(entry).collect();
        nodes.put_everywhere(entries.chunks(100).map(<[_]>::to_vec).collect()).await;
        let within = Duration::from_secs(60);
        assert!(wait_for(within, async || nodes.all_have_all().await).await.is_some());
        nodes.check(300).await.unwrap();
        assert!(nodes.check(299).await.is_err());
        // Each put went to two others at least, a quarter smaller at best.
        assert!(nodes.sent_bytes() > 300 * 2 * 60, "{}", nodes.sent_bytes());
        nodes.stop().await.unwrap();
    }
}
