//! Who is in which group, for readers who wait for nobody.

use bytes::Bytes;
use papaya::HashMap;

use super::{GroupMember, Members};

/// The view of all nodes' members. One changes it, many read it.
#[derive(Default)]
pub struct GroupsView(HashMap<Bytes, Members>);

impl GroupsView {
    pub fn members(&self, group: &[u8]) -> Members {
        self.0.pin().get(group).cloned().unwrap_or_default()
    }

    pub fn groups(&self) -> Vec<Bytes> {
        let mut groups: Vec<Bytes> = self.0.pin().keys().cloned().collect();
        groups.sort_unstable();
        groups
    }

    pub fn all(&self) -> Vec<(Bytes, Members)> {
        self.0.pin().iter().map(|(group, members)| (group.clone(), members.clone())).collect()
    }

    /// Adds and removes members, each once for each time it is named. Costs what the group has.
    pub fn change(&self, group: &Bytes, joined: &[GroupMember], left: &[GroupMember]) {
        let mut members: Vec<GroupMember> = self.members(group).to_vec();
        for gone in left {
            if let Some(at) = members.iter().position(|member| member == gone) {
                members.remove(at);
            }
        }
        members.extend_from_slice(joined);
        members.sort_unstable();
        let all = self.0.pin();
        if members.is_empty() {
            all.remove(group)
        } else {
            all.insert(group.clone(), members.into())
        };
    }
}
