//! Groups as a publisher: what a node owns is who of its members has joined which groups.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use damson_core::crdt::NodeId;
use minicbor::{Decode, Encode};

use super::view::GroupsView;
use super::{GroupMember, Members};
use crate::ScopeName;
use crate::publisher::{Notices, Owner, Publisher};

/// The version of the payloads.
const VERSION: u16 = 1;

/// Groups.
pub struct Pg;

/// Who is in which group of one node, each as often as it has joined.
type Joined = BTreeMap<Bytes, Vec<GroupMember>>;

/// Joins and leaves of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub(super) group: Bytes,
    pub(super) joined: Vec<GroupMember>,
    pub(super) left: Vec<GroupMember>,
}

/// What somebody watches.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Watched {
    /// One group.
    One(Bytes),
    /// All.
    All,
}

/// Who has joined a group, and who has left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupChange {
    /// The group.
    pub group: Bytes,
    /// Who has joined, each once for each time.
    pub joined: Vec<GroupMember>,
    /// Who has left, each once for each time.
    pub left: Vec<GroupMember>,
}

/// A member as it travels.
#[derive(Encode, Decode)]
struct Sent {
    #[cbor(n(0), with = "minicbor::bytes")]
    node: [u8; 16],
    #[n(1)]
    id: u64,
    #[cbor(n(2), with = "minicbor::bytes")]
    name: Vec<u8>,
}

/// A step as it travels; of local data only what was joined.
#[derive(Encode, Decode)]
struct SentStep {
    #[cbor(n(0), with = "minicbor::bytes")]
    group: Vec<u8>,
    #[n(1)]
    joined: Vec<Sent>,
    #[n(2)]
    left: Vec<Sent>,
}

impl Publisher for Pg {
    type LocalData = Joined;
    type Update = Vec<Step>;
    type GlobalView = GroupsView;
    type Subscription = Watched;
    type Answer = BTreeMap<Bytes, Members>;
    type Notice = GroupChange;

    fn version(&self) -> u16 {
        VERSION
    }

    fn init_local_data(&self) -> Joined {
        Joined::new()
    }

    fn update_local_data(&self, steps: &Vec<Step>, data: &mut Joined) {
        for Step { group, joined, left } in steps {
            let members = data.entry(group.clone()).or_default();
            members.extend_from_slice(joined);
            left.iter().for_each(|gone| remove_once(members, gone));
            if members.is_empty() {
                data.remove(group);
            }
        }
    }

    fn data_diff(&self, old: &Joined, new: &Joined) -> Vec<Step> {
        let groups: BTreeSet<&Bytes> = old.keys().chain(new.keys()).collect();
        let of = |data: &Joined, group: &Bytes| data.get(group).cloned().unwrap_or_default();
        let step = |group: &Bytes| {
            let (mut left, mut joined) = (of(old, group), Vec::new());
            for member in of(new, group) {
                match left.iter().position(|before| *before == member) {
                    Some(at) => _ = left.swap_remove(at),
                    None => joined.push(member),
                }
            }
            Step { group: group.clone(), joined, left }
        };
        let steps = groups.into_iter().map(step);
        steps.filter(|step| !(step.joined.is_empty() && step.left.is_empty())).collect()
    }

    fn init_global_view(&self, _: &ScopeName) -> GroupsView {
        GroupsView::default()
    }

    fn update_global_view_and_notify(
        &self,
        _: &Owner,
        steps: &Vec<Step>,
        view: &GroupsView,
        notices: &mut Notices<'_, Self>,
    ) {
        for Step { group, joined, left } in steps {
            view.change(group, joined, left);
            let change = GroupChange { group: group.clone(), joined: joined.clone(), left: left.clone() };
            notices.notify(&Watched::One(group.clone()), &change);
            notices.notify(&Watched::All, &change);
        }
    }

    fn new_subscription(&self, watched: &Watched, view: &GroupsView) -> BTreeMap<Bytes, Members> {
        match watched {
            Watched::All => view.all().into_iter().collect(),
            Watched::One(group) => {
                let members = view.members(group);
                (!members.is_empty()).then(|| (group.clone(), members)).into_iter().collect()
            }
        }
    }

    fn encode_local_data(&self, version: u16, data: &Joined) -> Option<Bytes> {
        let step = |(group, joined): (&Bytes, &Vec<GroupMember>)| {
            sent(&Step { group: group.clone(), joined: joined.clone(), left: Vec::new() })
        };
        encode(version, data.iter().map(step).collect())
    }

    fn encode_update(&self, version: u16, steps: &Vec<Step>) -> Option<Bytes> {
        encode(version, steps.iter().map(sent).collect())
    }

    fn decode_local_data(&self, version: u16, bytes: Bytes) -> Option<Joined> {
        let steps = self.decode_update(version, bytes)?;
        Some(steps.into_iter().map(|step| (step.group, step.joined)).collect())
    }

    fn decode_update(&self, version: u16, bytes: Bytes) -> Option<Vec<Step>> {
        let steps: Vec<SentStep> = (version == VERSION).then(|| minicbor::decode(&bytes).ok())??;
        Some(steps.into_iter().map(received).collect())
    }
}

fn remove_once(members: &mut Vec<GroupMember>, gone: &GroupMember) {
    if let Some(at) = members.iter().position(|member| member == gone) {
        members.swap_remove(at);
    }
}

fn encode(version: u16, steps: Vec<SentStep>) -> Option<Bytes> {
    (version == VERSION).then(|| minicbor::to_vec(steps).expect("memory").into())
}

fn sent(step: &Step) -> SentStep {
    let member =
        |member: &GroupMember| Sent { node: member.node.0, id: member.id, name: member.name.to_vec() };
    SentStep {
        group: step.group.to_vec(),
        joined: step.joined.iter().map(member).collect(),
        left: step.left.iter().map(member).collect(),
    }
}

fn received(step: SentStep) -> Step {
    let member = |sent: Sent| GroupMember { node: NodeId(sent.node), id: sent.id, name: sent.name.into() };
    Step {
        group: step.group.into(),
        joined: step.joined.into_iter().map(member).collect(),
        left: step.left.into_iter().map(member).collect(),
    }
}
