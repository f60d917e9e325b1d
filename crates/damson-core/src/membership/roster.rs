//! The roster: one record for each member, under its id, in a multi-value register.
//!
//! Concurrent records of one member are resolved as in SWIM (Das, Gupta, Motivala 2002, section 4.2): the higher
//! incarnation wins, and within one incarnation the worse state. Only the member itself raises its incarnation, which is
//! how it refutes a suspicion.

use std::collections::BTreeMap;

use bytes::Bytes;
use damson_crdt::NodeId;
use minicbor::{Decode, Encode};

use crate::replica::{Slot, View};
use crate::scope::ScopeName;

/// What is known of a member.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Member {
    /// The node.
    #[n(0)]
    pub id: NodeId,
    /// A label for people. A new id may take the name of a member that is gone.
    #[n(1)]
    pub name: String,
    /// Where it listens.
    #[n(2)]
    pub address: String,
    /// Raised by the member itself, to refute a suspicion or to return.
    #[n(3)]
    pub incarnation: u64,
    /// Its state.
    #[n(4)]
    pub state: MemberState,
    /// Who judged it suspect or dead.
    #[n(5)]
    pub judged_by: Option<NodeId>,
    /// Where it stands.
    #[n(6)]
    pub zone: Option<String>,
    /// The scopes that it hosts; absent when all.
    #[n(7)]
    pub hosted: Option<Vec<ScopeName>>,
    /// The newest wire version that it speaks.
    #[n(8)]
    pub version: u16,
    /// Where its HTTP surface listens, if it has one.
    #[n(9)]
    pub http: Option<String>,
}

/// The state of a member. The order is that of precedence within one incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum MemberState {
    /// It answers.
    #[n(0)]
    Alive,
    /// It did not answer lately, and may refute.
    #[n(1)]
    Suspect,
    /// It did not refute in time.
    #[n(2)]
    Dead,
    /// It said that it leaves.
    #[n(3)]
    Left,
}

/// Records with a higher incarnation cannot be honest, and are not believed.
const INCARNATION_MAX: u64 = 1 << 62;

/// The members as this node sees them.
#[derive(Debug, Default)]
pub struct Roster(BTreeMap<NodeId, Member>);

impl MemberState {
    /// As users see it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Dead => "dead",
            Self::Left => "left",
        }
    }

    /// Does it take part? A suspect does, until it is judged.
    pub const fn is_present(self) -> bool {
        matches!(self, Self::Alive | Self::Suspect)
    }
}

impl Member {
    /// Where its record lies in the roster's scope.
    pub fn slot(id: NodeId) -> Slot {
        Slot::key(Bytes::copy_from_slice(&id.0))
    }

    /// The record's bytes.
    pub fn encode(&self) -> Bytes {
        minicbor::to_vec(self).expect("memory").into()
    }

    fn supersedes(&self, other: &Self) -> bool {
        (self.incarnation, self.state) > (other.incarnation, other.state)
    }
}

impl Roster {
    /// All members, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.0.values()
    }

    /// One member.
    pub fn get(&self, id: NodeId) -> Option<&Member> {
        self.0.get(&id)
    }

    /// How many members take part.
    pub fn present(&self) -> usize {
        self.0.values().filter(|member| member.state.is_present()).count()
    }

    /// Reads a member's record again. Returns the member before and after, when it changed.
    pub fn refresh(&mut self, key: &Bytes, view: View<'_>) -> Option<(Option<Member>, Option<Member>)> {
        let id = NodeId(key.as_ref().try_into().ok()?);
        let read = |bytes: Bytes| {
            minicbor::decode::<Member>(&bytes)
                .ok()
                .filter(|member| member.id == id && member.incarnation < INCARNATION_MAX)
        };
        let records = view.multi(&Slot::key(key.clone())).into_iter().filter_map(read);
        let after = records.reduce(|best, other| if other.supersedes(&best) { other } else { best });
        let before = match after.clone() {
            Some(member) => self.0.insert(id, member),
            None => self.0.remove(&id),
        };
        (before != after).then_some((before, after))
    }
}
