//! Synchronisation that says when it is over.

use std::time::Duration;

use damson_core::crdt::NodeId;
use damson_core::node::{WaitError, Waited};
use damson_core::scope::ScopeName;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::GossipStore;
use crate::driver::Waiting;

/// A synchronisation that did not come to its end. What has been brought until then stays.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyncError {
    /// No other member has this id, or it has left.
    #[error("{member} is no other member, or has left")]
    NoSuchMember {
        /// The id.
        member: NodeId,
    },
    /// There is no link to the member, and none came up in time.
    #[error("{member} cannot be reached")]
    Unreachable {
        /// The member.
        member: NodeId,
    },
    /// This node, or the member, does not host the scope.
    #[error("{node} does not host the scope {scope}")]
    NotHosted {
        /// Who does not.
        node: NodeId,
        /// The scope.
        scope: ScopeName,
    },
    /// The member did not answer, or what was missing did not come, in time. It may come a moment later.
    #[error("{member} was not in step in time")]
    TimedOut {
        /// The member.
        member: NodeId,
    },
    /// Too many wait already.
    #[error("the limit of {limit} waits is reached")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Another process writes in this node's name, so nobody can say whose writes the member has.
    #[error("another process writes in this node's name: whether the member has the state is not known")]
    Unsure,
    /// The node has stopped.
    #[error("the node has stopped")]
    Stopped,
}

impl GossipStore {
    /// Waits until all is here that a member had seen of the scope at some time after this call.
    ///
    /// # Errors
    /// [`SyncError`].
    pub async fn pull_state(&self, member: NodeId, time_out: Duration) -> Result<(), SyncError> {
        let (name, until) = (self.scope.name(), Until::after(time_out));
        let pull =
            self.scope.driver().wait(|node, now, fx| node.await_pull(name, member, until.left_ms(), now, fx));
        self.end(pull.map_err(|error| self.refused(error, member))?, member).await
    }

    /// Waits until a member has all that is here of the scope now, each write as durably as the scope asks.
    ///
    /// # Errors
    /// [`SyncError`].
    pub async fn push_state(&self, member: NodeId, time_out: Duration) -> Result<(), SyncError> {
        let until = Until::after(time_out);
        let held = self.scope.driver().look(|node, _| {
            let held = node.held(self.scope.name());
            node.check_partner(self.scope.name(), member).map(|()| held)
        });
        for part in held.map_err(|error| self.refused(error, member))? {
            let push = self
                .scope
                .driver()
                .wait(|node, now, fx| node.await_push(part, member, until.left_ms(), now, fx));
            self.end(push.map_err(|error| self.refused(error, member))?, member).await?;
        }
        Ok(())
    }

    /// One round of anti-entropy now: pulls from members at random that host the scope, as many as
    /// [`SyncConfig::fanout`](crate::SyncConfig::fanout) says, and pushes to them. Who was chosen, and how it went with each.
    pub async fn anti_entropy(&self, time_out: Duration) -> Vec<(NodeId, Result<(), SyncError>)> {
        let chosen = self.scope.driver().change(|node, _, _| {
            let fanout = node.config().sync.fanout;
            node.some_hosts(self.scope.name(), fanout)
        });
        self.exchange(chosen, time_out).await
    }

    /// The same with all members that host the scope and are present.
    pub async fn force_sync(&self, time_out: Duration) -> Vec<(NodeId, Result<(), SyncError>)> {
        let all = self.scope.driver().change(|node, _, _| node.some_hosts(self.scope.name(), usize::MAX));
        self.exchange(all, time_out).await
    }

    /// With all of them at once, so that one that does not answer takes nothing from the others' time.
    async fn exchange(
        &self,
        members: Vec<NodeId>,
        time_out: Duration,
    ) -> Vec<(NodeId, Result<(), SyncError>)> {
        let until = Until::after(time_out);
        let mut under_way = JoinSet::new();
        for member in members {
            let store = self.clone();
            under_way.spawn(async move { (member, store.exchange_with(member, until).await) });
        }
        under_way.join_all().await
    }

    async fn exchange_with(&self, member: NodeId, until: Until) -> Result<(), SyncError> {
        self.pull_state(member, until.left()).await?;
        self.push_state(member, until.left()).await
    }

    async fn end(&self, waiting: Option<Waiting>, member: NodeId) -> Result<(), SyncError> {
        let Some(waiting) = waiting else { return Err(SyncError::Stopped) };
        match waiting.await {
            Some(Waited::Reached { .. }) => Ok(()),
            Some(Waited::TimedOut { .. }) => {
                let linked = self.scope.driver().look(|node, _| node.is_linked(member));
                Err(if linked { SyncError::TimedOut { member } } else { SyncError::Unreachable { member } })
            }
            Some(_) => Err(SyncError::Unsure),
            None => Err(SyncError::Stopped),
        }
    }

    fn refused(&self, error: WaitError, member: NodeId) -> SyncError {
        let not_hosted = |node| SyncError::NotHosted { node, scope: self.scope.name().clone() };
        match error {
            WaitError::NotHosted => not_hosted(self.scope.driver().look(|node, _| node.id())),
            WaitError::NotHostedThere => not_hosted(member),
            WaitError::Unreachable => SyncError::Unreachable { member },
            WaitError::TooMany { limit } => SyncError::TooMany { limit },
            WaitError::Unsure => SyncError::Unsure,
            _ => SyncError::NoSuchMember { member },
        }
    }
}

/// One end for several waits.
#[derive(Clone, Copy)]
struct Until(Option<Instant>);

impl Until {
    fn after(time_out: Duration) -> Self {
        Self(Instant::now().checked_add(time_out))
    }

    fn left(self) -> Duration {
        self.0.map_or(Duration::MAX, |end| end.saturating_duration_since(Instant::now()))
    }

    fn left_ms(self) -> u64 {
        u64::try_from(self.left().as_millis()).unwrap_or(u64::MAX)
    }
}
