//! Members of groups: of this node, and as they are listed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use damson_core::crdt::NodeId;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::pg::{Pg, Step};
use super::{GroupError, JOINS_MAX};
use crate::publisher::Published;

/// A member, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupMember {
    /// On which node it is.
    pub node: NodeId,
    /// Tells it from others there.
    pub id: u64,
    /// Its name.
    pub name: Bytes,
}

/// Something on this node that joins groups. When it is dropped it leaves them all.
#[derive(Debug)]
pub struct LocalMember {
    listed: GroupMember,
    /// The groups that it is in, and how often.
    joins: Mutex<BTreeMap<Bytes, usize>>,
    leaving: Leaving,
}

/// To the task that takes those off the lists that were dropped.
#[derive(Debug, Clone)]
pub(super) struct Leaving {
    dropped: mpsc::UnboundedSender<Vec<Step>>,
    next: Arc<AtomicU64>,
}

/// What was dropped leaves its groups, until nobody has any member or the groups any more.
pub(super) fn leave_when_dropped(published: &Published<Pg>) -> Leaving {
    let (dropped, mut steps) = mpsc::unbounded_channel();
    let published = published.downgrade();
    tokio::spawn(async move {
        while let Some(steps) = steps.recv().await {
            let Some(published) = published.upgrade() else { return };
            if let Err(error) = published.update(steps).await {
                tracing::warn!(%error, "a member that was dropped stays listed until its node is gone");
            }
        }
    });
    Leaving { dropped, next: Arc::default() }
}

impl LocalMember {
    pub(super) fn new(node: NodeId, name: Bytes, leaving: Leaving) -> Self {
        let id = leaving.next.fetch_add(1, Ordering::Relaxed);
        Self { listed: GroupMember { node, id, name }, joins: Mutex::default(), leaving }
    }

    /// As it is listed.
    pub fn listed(&self) -> &GroupMember {
        &self.listed
    }

    pub(super) fn note_join(&self, group: &Bytes) -> Result<(), GroupError> {
        let mut joins = self.joins.lock();
        if joins.values().sum::<usize>() >= JOINS_MAX {
            return Err(GroupError::TooManyJoins { limit: JOINS_MAX });
        }
        *joins.entry(group.clone()).or_default() += 1;
        Ok(())
    }

    /// False when it is not in the group.
    pub(super) fn note_leave(&self, group: &Bytes) -> bool {
        let mut joins = self.joins.lock();
        let Some(times) = joins.get_mut(group) else { return false };
        *times -= 1;
        if *times == 0 {
            joins.remove(group);
        }
        true
    }
}

impl Drop for LocalMember {
    fn drop(&mut self) {
        let joins = std::mem::take(self.joins.get_mut());
        let leave = |(group, times)| {
            let left = vec![self.listed.clone(); times];
            Step { group, joined: Vec::new(), left }
        };
        let steps: Vec<Step> = joins.into_iter().map(leave).collect();
        if !steps.is_empty() {
            // Without groups there is nothing to leave.
            let _ = self.leaving.dropped.send(steps);
        }
    }
}
