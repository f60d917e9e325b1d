//! State that is an implementation's own, beside its entries: snapshots, asked of others.
//!
//! At the start, and after a panic, each neighbour is asked once; where the implementation says that it is sound, a member by chance
//! is asked now and then. Entries need none of this.

use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use damson_core::crdt::NodeId;
use tokio::sync::watch;

use super::Replica;
use crate::clock::about;
use crate::driver::{Driver, Service};
use crate::scope::Scope;
use crate::supervise::{Worker, told};

/// How long an answer is waited for.
const TIME_OUT: Duration = Duration::from_secs(5);
/// Until somebody has answered: the first pause, and the longest.
const SEARCH_MIN: Duration = Duration::from_millis(100);
const SEARCH_MAX: Duration = Duration::from_secs(5);
/// After a panic, which the snapshot itself may have led to.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// Asks others for snapshots, and gives ours.
pub(super) struct Snapshots<R> {
    scope: Scope,
    service: String,
    worker: Arc<Worker<R>>,
    interval: Duration,
}

impl<R: Replica> Snapshots<R> {
    pub fn new(scope: Scope, worker: Arc<Worker<R>>, interval: Duration) -> Self {
        let service = format!("r:{}", scope.name());
        Self { scope, service, worker, interval }
    }

    fn driver(&self) -> &Arc<Driver> {
        self.scope.driver()
    }

    /// Until the instance or the node is stopped.
    pub async fn run(self, mut stopped: watch::Receiver<bool>) {
        self.driver().offer(&self.service, self.answering());
        tokio::select! {
            () = told(&mut stopped) => {}
            () = self.pull() => {}
        }
        self.driver().withdraw(&self.service);
    }

    /// What answers others: a byte that says whether there is a snapshot, and the snapshot.
    fn answering(&self) -> Service {
        let (worker, name) = (Arc::downgrade(&self.worker), self.scope.name().clone());
        Arc::new(move |_, _| {
            let (worker, name) = (worker.clone(), name.clone());
            Box::pin(async move {
                let worker = worker.upgrade().ok_or("the instance has ended")?;
                let taken = worker.run(move |replica| replica.full_sync_snapshot(&name)).await;
                let snapshot = taken.map_err(|_| "the implementation has panicked")?;
                let mut answer = BytesMut::with_capacity(1 + snapshot.as_ref().map_or(0, Bytes::len));
                answer.put_u8(snapshot.is_some().into());
                answer.extend_from_slice(&snapshot.unwrap_or_default());
                Ok(answer.freeze())
            })
        })
    }

    async fn pull(&self) {
        let Ok(is_sound) = self.worker.run(|replica| replica.anti_entropy()).await else { return };
        let mut pause = SEARCH_MIN;
        while !self.pull_from(self.neighbors()).await {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(SEARCH_MAX);
        }
        let mut panics = self.worker.panics();
        loop {
            tokio::select! {
                Ok(()) = panics.changed() => {
                    tokio::time::sleep(AFTER_PANIC).await;
                    self.pull_from(self.neighbors()).await;
                }
                () = tokio::time::sleep(about(self.interval)), if is_sound => {
                    let by_chance = self.driver().change(|node, _, _| node.some_hosts(self.scope.name(), 1));
                    self.pull_from(by_chance).await;
                }
            }
        }
    }

    fn neighbors(&self) -> Vec<NodeId> {
        self.driver().look(|node, _| node.active_view())
    }

    /// Says whether any of them runs the instance.
    async fn pull_from(&self, members: Vec<NodeId>) -> bool {
        let mut answered = false;
        for member in members {
            let answer = self.driver().call(member, &self.service, Bytes::new(), TIME_OUT).await;
            let Ok(mut answer) = answer else { continue };
            answered = true;
            if answer.first() != Some(&1) {
                continue;
            }
            let (name, snapshot) = (self.scope.name().clone(), answer.split_off(1));
            // Should it panic, everything is told and asked for again.
            let _ = self.worker.run(move |replica| replica.apply_full_sync(&name, member, snapshot)).await;
        }
        answered
    }
}
