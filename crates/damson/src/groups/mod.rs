//! Process groups: members of groups on all nodes, as `pg` of Erlang/OTP has them.
//!
//! A *member* is something on a node that is to be found by others: a task, a connection, a worker. It joins groups, as often as it
//! likes, and is listed as often; when it is dropped, or its node is gone, it is listed no more. Reads are of this node's own
//! view: no lock that a writer holds, no other node asked.

mod error;
mod member;
mod pg;
mod view;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::node::Node;
use crate::publisher::{Published, Subscribed, Told};

pub use error::GroupError;
pub use member::{GroupMember, LocalMember};
pub use pg::GroupChange;

use member::{Leaving, leave_when_dropped};
use pg::{Pg, Step, Watched};

/// The longest name of a group or a member, in bytes.
pub const NAME_BYTES_MAX: usize = 1 << 10;
/// Groups that one member can be in at once, each join counted.
pub const JOINS_MAX: usize = 1 << 16;

/// The members of a group, each as often as it has joined.
pub type Members = Arc<[GroupMember]>;

/// The groups of a scope, on all nodes that run them. Cheap to clone.
#[derive(Clone)]
pub struct Groups {
    published: Published<Pg>,
    leaving: Leaving,
}

/// Tells of a group, or of all. Ends when it is dropped.
pub struct GroupWatch(Subscribed<Pg>);

impl Node {
    /// Process groups under the name of a scope.
    ///
    /// # Errors
    /// [`GroupError::Publisher`].
    pub async fn groups(&self, scope: &str) -> Result<Groups, GroupError> {
        let published = self.publisher(scope, || Pg).start().await?;
        Ok(Groups { leaving: leave_when_dropped(&published), published })
    }
}

impl Groups {
    /// Something on this node that can join groups. Its name is for those who find it there: an address, say.
    ///
    /// # Errors
    /// [`GroupError::NameTooLong`].
    pub fn member(&self, name: impl Into<Bytes>) -> Result<LocalMember, GroupError> {
        let name = checked(name.into())?;
        Ok(LocalMember::new(self.published.node(), name, self.leaving.clone()))
    }

    /// Joins a group. A member that joins twice is listed twice, and has to leave twice.
    ///
    /// # Errors
    /// [`GroupError::NameTooLong`], [`GroupError::TooManyJoins`], [`GroupError::Publisher`].
    pub async fn join(&self, group: impl Into<Bytes>, member: &LocalMember) -> Result<(), GroupError> {
        let group = checked(group.into())?;
        member.note_join(&group)?;
        let step = Step { group: group.clone(), joined: vec![member.listed().clone()], left: Vec::new() };
        if let Err(error) = self.published.update(vec![step]).await {
            member.note_leave(&group);
            return Err(error.into());
        }
        Ok(())
    }

    /// Leaves a group, once.
    ///
    /// # Errors
    /// [`GroupError::NotJoined`], [`GroupError::Publisher`].
    pub async fn leave(&self, group: impl Into<Bytes>, member: &LocalMember) -> Result<(), GroupError> {
        let group = group.into();
        if !member.note_leave(&group) {
            return Err(GroupError::NotJoined { group });
        }
        let step = Step { group, joined: Vec::new(), left: vec![member.listed().clone()] };
        Ok(self.published.update(vec![step]).await?)
    }

    /// The members of a group on all nodes; none when there is no such group.
    pub fn members(&self, group: impl AsRef<[u8]>) -> Members {
        self.published.view().members(group.as_ref())
    }

    /// Those of them that are on this node.
    pub fn local_members(&self, group: impl AsRef<[u8]>) -> Vec<GroupMember> {
        let me = self.published.node();
        self.members(group).iter().filter(|member| member.node == me).cloned().collect()
    }

    /// The groups that have members, in the order of their names.
    pub fn which_groups(&self) -> Vec<Bytes> {
        self.published.view().groups()
    }

    /// The members of a group, and from then on who joins it and leaves it, without a gap.
    ///
    /// # Errors
    /// [`GroupError::Publisher`].
    pub async fn monitor(&self, group: impl Into<Bytes>) -> Result<(Members, GroupWatch), GroupError> {
        let group = group.into();
        let (mut all, watch) = self.published.subscribe(Watched::One(group.clone())).await?;
        Ok((all.remove(&group).unwrap_or_default(), GroupWatch(watch)))
    }

    /// The same of all groups.
    ///
    /// # Errors
    /// [`GroupError::Publisher`].
    pub async fn monitor_all(&self) -> Result<(BTreeMap<Bytes, Members>, GroupWatch), GroupError> {
        let (all, watch) = self.published.subscribe(Watched::All).await?;
        Ok((all, GroupWatch(watch)))
    }

    /// The publisher that carries the groups: who takes part, counters.
    pub fn published(&self) -> &Published<impl crate::publisher::Publisher> {
        &self.published
    }

    /// Ends it on this node: its members are listed no more, anywhere.
    pub fn stop(&self) {
        self.published.stop();
    }
}

impl GroupWatch {
    /// What is told next; `None` when the groups or the node have ended. `Again` has the groups that are watched as they are now, with
    /// those only that have members.
    pub async fn next(&mut self) -> Option<Told<BTreeMap<Bytes, Members>, GroupChange>> {
        self.0.next().await
    }
}

fn checked(name: Bytes) -> Result<Bytes, GroupError> {
    let (len, max) = (name.len(), NAME_BYTES_MAX);
    if len > max { Err(GroupError::NameTooLong { len, max }) } else { Ok(name) }
}
