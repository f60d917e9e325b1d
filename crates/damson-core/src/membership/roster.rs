//! The roster: one record for each member, under its id, in a multi-value register.
//!
//! Concurrent records of one member are resolved as in SWIM (Das, Gupta, Motivala 2002, section 4.2): the higher
//! incarnation wins, and within one incarnation the worse state. Only the member itself raises its incarnation, which is
//! how it refutes a suspicion.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use bytes::Bytes;
use damson_crdt::NodeId;
use minicbor::{Decode, Encode};

use super::tally::Tally;
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
    /// Names its database, since that began; absent in records of versions that did not know it.
    #[n(10)]
    pub born: Option<u64>,
    /// The database of it that was forgotten last. With that it is no member any more, and has to come back with another.
    #[n(11)]
    pub forgotten: Option<u64>,
    /// What its present process runs, in the order of the scopes; absent when nothing.
    #[n(12)]
    pub runs: Option<Vec<Running>>,
}

/// Something that a process runs on a scope, beside holding it.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Running {
    /// The scope.
    #[n(0)]
    pub scope: ScopeName,
    /// The version of its payloads that the process speaks.
    #[n(1)]
    pub version: u16,
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
pub struct Roster {
    members: BTreeMap<NodeId, Member>,
    /// The databases that were forgotten, by whose they were.
    forgotten: BTreeMap<NodeId, u64>,
    tally: Tally,
}

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

    /// In which version of its payloads the present process runs something on a scope; `None` when it does not.
    pub fn runs(&self, scope: &ScopeName) -> Option<u16> {
        let running = self.runs.iter().flatten().find(|running| running.scope == *scope);
        running.map(|running| running.version)
    }

    /// The record's bytes.
    pub fn encode(&self) -> Bytes {
        minicbor::to_vec(self).expect("memory").into()
    }

    /// Was it forgotten with all that it has?
    pub fn is_forgotten(&self) -> bool {
        self.born.is_some() && self.forgotten == self.born
    }

    fn supersedes(&self, other: &Self) -> bool {
        let rank = |record: &Self| (record.incarnation, record.is_forgotten(), record.state);
        rank(self) > rank(other)
    }
}

impl Roster {
    /// All members, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// All members once, in the order of their ids, beginning with the first after this one and going round.
    pub fn round_from(&self, id: NodeId) -> impl Iterator<Item = &Member> {
        let after = self.members.range((Bound::Excluded(id), Bound::Unbounded));
        after.chain(self.members.range(..=id)).map(|(_, member)| member)
    }

    /// One member.
    pub fn get(&self, id: NodeId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// The database of this node that was forgotten last.
    pub fn forgotten(&self, id: NodeId) -> Option<u64> {
        self.forgotten.get(&id).copied()
    }

    /// Was this database forgotten, whoever had it?
    pub fn was_forgotten(&self, born: u64) -> bool {
        self.forgotten.values().any(|forgotten| *forgotten == born)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Is nobody known?
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many members take part.
    pub fn present(&self) -> usize {
        self.tally.of(MemberState::Alive) + self.tally.of(MemberState::Suspect)
    }

    /// How many members have left.
    pub fn left(&self) -> usize {
        self.tally.of(MemberState::Left)
    }

    /// The scopes that any member names as hosted.
    pub fn named_scopes(&self) -> impl Iterator<Item = &ScopeName> {
        self.tally.named()
    }

    /// Reads a member's record again. Returns the member before and after, when it changed.
    pub fn refresh(&mut self, key: &Bytes, view: View<'_>) -> Option<(Option<Member>, Option<Member>)> {
        let id = NodeId(key.as_ref().try_into().ok()?);
        let read = |bytes: Bytes| {
            minicbor::decode::<Member>(&bytes)
                .ok()
                .filter(|member| member.id == id && member.incarnation < INCARNATION_MAX)
        };
        let after = resolved(view.multi(&Slot::key(key.clone())).into_iter().filter_map(read).collect());
        match after.as_ref().and_then(|record| record.forgotten) {
            Some(born) => self.forgotten.insert(id, born),
            None => self.forgotten.remove(&id),
        };
        let after = after.filter(|record| !record.is_forgotten());
        let before = self.put(id, after.clone());
        (before != after).then_some((before, after))
    }

    fn put(&mut self, id: NodeId, member: Option<Member>) -> Option<Member> {
        member.iter().for_each(|member| self.tally.add(member));
        let before = match member {
            Some(member) => self.members.insert(id, member),
            None => self.members.remove(&id),
        };
        before.iter().for_each(|member| self.tally.remove(member));
        before
    }
}

/// One of the records that were written at once. A database that any of them names as forgotten stays so, whatever its node
/// has said meanwhile: others may have agreed without it.
fn resolved(records: Vec<Member>) -> Option<Member> {
    let forgotten: BTreeSet<u64> = records.iter().filter_map(|record| record.forgotten).collect();
    let newer = |best: Member, other: Member| if other.supersedes(&best) { other } else { best };
    let best = records.into_iter().reduce(newer)?;
    let ended = best.born.filter(|born| forgotten.contains(born));
    let forgotten = ended.or(best.forgotten).or(forgotten.last().copied());
    Some(Member { forgotten, ..best })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [MemberState; 4] =
        [MemberState::Alive, MemberState::Suspect, MemberState::Dead, MemberState::Left];

    fn member(id: u8, state: MemberState, hosted: Option<&[&str]>) -> Member {
        let scopes =
            hosted.map(|names| names.iter().map(|name| name.parse().expect("a valid name")).collect());
        Member {
            id: NodeId([id; 16]),
            name: String::new(),
            address: String::new(),
            incarnation: 0,
            state,
            judged_by: None,
            zone: None,
            hosted: scopes,
            version: 1,
            http: None,
            born: Some(9),
            forgotten: None,
            runs: None,
        }
    }

    #[test]
    fn what_is_counted_is_what_a_walk_finds() {
        let mut roster = Roster::default();
        let hosted: [Option<&[&str]>; 4] = [None, Some(&["a"]), Some(&["a", "b"]), Some(&[])];
        for step in 0..400_usize {
            let id = (step * 7 % 13) as u8;
            let record = (step % 5 != 4).then(|| member(id, STATES[step * 3 % 4], hosted[step * 11 / 3 % 4]));
            roster.put(NodeId([id; 16]), record);
            let walk = |state| roster.iter().filter(|member| member.state == state).count();
            assert_eq!(roster.present(), walk(MemberState::Alive) + walk(MemberState::Suspect));
            assert_eq!(roster.left(), walk(MemberState::Left));
            let named: std::collections::BTreeSet<_> =
                roster.iter().flat_map(|m| m.hosted.iter().flatten()).collect();
            assert!(roster.named_scopes().eq(named), "step {step}");
        }
    }

    #[test]
    fn what_was_forgotten_stays_so_although_its_node_said_more_at_the_same_time() {
        let judged = Member { forgotten: Some(9), ..member(1, MemberState::Dead, None) };
        let last_word = Member { incarnation: 1, ..member(1, MemberState::Left, None) };
        let reborn = Member { incarnation: 2, born: Some(10), ..member(1, MemberState::Alive, None) };
        for records in [[judged.clone(), last_word.clone()], [last_word.clone(), judged.clone()]] {
            let after = resolved(records.to_vec()).unwrap();
            assert!(after.is_forgotten(), "{after:?}");
            assert_eq!((after.incarnation, after.state), (1, MemberState::Left));
        }
        // Who comes back with another database is a member, and the old one is still known.
        for records in [[judged.clone(), reborn.clone()], [reborn, judged]] {
            let after = resolved(records.to_vec()).unwrap();
            assert!(!after.is_forgotten() && after.forgotten == Some(9), "{after:?}");
        }
        assert_eq!(resolved(vec![last_word.clone()]), Some(last_word));
        assert_eq!(resolved(Vec::new()), None);
    }

    #[test]
    fn going_round_visits_each_once_and_itself_last() {
        let mut roster = Roster::default();
        for id in [1, 3, 5, 7] {
            roster.put(NodeId([id; 16]), Some(member(id, MemberState::Alive, None)));
        }
        let from =
            |id: u8| roster.round_from(NodeId([id; 16])).map(|member| member.id.0[0]).collect::<Vec<_>>();
        assert_eq!(from(5), [7, 1, 3, 5]);
        assert_eq!(from(4), [5, 7, 1, 3]);
        assert_eq!(from(9), [1, 3, 5, 7]);
    }
}
