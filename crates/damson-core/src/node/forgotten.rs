//! A member that was forgotten comes back empty (rule 12).
//!
//! What it has written may be with no other member, and the others go on as if it did not exist: traces that such writes would
//! need are removed. So a database is named by a random number when it begins, the record of a member that is forgotten keeps
//! that number, and whoever greets with it is refused. A node that is told so says it to its driver, notes it on its disk,
//! and is not ready any more; its next start begins empty, with another number and the same id.

use damson_crdt::NodeId;

use super::effects::{Effect, Event};
use super::{Node, Now};
use crate::membership::Member;
use crate::scope::ScopeName;

/// The node's database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Born {
    /// Drawn when it began.
    pub number: u64,
    /// The other members have forgotten it.
    pub forgotten: bool,
}

impl Born {
    /// How long it is on disk.
    pub const BYTES: usize = 9;
    const NUMBER_BYTES: usize = 8;

    pub fn encode(self) -> Vec<u8> {
        [&self.number.to_be_bytes()[..], &[u8::from(self.forgotten)]].concat()
    }

    /// Absent where an earlier version wrote none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk::<{ Self::NUMBER_BYTES }>()?;
        Some(Self { number: u64::from_be_bytes(*number), forgotten: rest.first() == Some(&1) })
    }
}

impl Node {
    /// Removes a member for good. What it wrote and others have stays; what only it has is gone, because it comes back only
    /// with an empty database.
    pub fn forget_member(&mut self, id: NodeId, now: Now, fx: &mut Vec<Effect>) -> bool {
        let Some(member) = self.roster.get(id).filter(|member| !member.state.is_present()).cloned() else {
            return false;
        };
        match member.born {
            Some(_) => {
                self.write_member(Member { forgotten: member.born, judged_by: None, ..member }, now, fx)
            }
            // Nobody could tell its old database from a new one.
            None => _ = self.write(&ScopeName::roster(), now, fx, |tx| Ok(tx.remove(&Member::slot(id)))),
        }
        true
    }

    /// Have the other members forgotten this node? Then it has to begin again, empty.
    pub fn is_forgotten(&self) -> bool {
        self.born.forgotten
    }

    /// Was this database of a node forgotten? Also when it was another node's then: who is given a new key keeps what it has.
    /// One that was a member with it before is known to all who agree on an end (`node/ended.rs`), and stays.
    pub(super) fn was_forgotten(&self, id: NodeId, born: Option<u64>) -> bool {
        let Some(number) = born else { return false };
        let is_members = self.roster.get(id).is_some_and(|member| member.born == born);
        self.roster.forgotten(id) == born || (!is_members && self.roster.was_forgotten(number))
    }

    /// A link to a forgotten database is over. It is dialled again, and refused.
    pub(super) fn end_forgotten_link(&mut self, id: NodeId, now: Now, fx: &mut Vec<Effect>) {
        let born = self.links.hello_of(id).and_then(|hello| hello.born);
        if self.was_forgotten(id, born)
            && let Some(link) = self.links.of(id)
        {
            self.drop_link(link, now, fx);
        }
    }

    pub(super) fn is_told_forgotten(&mut self, fx: &mut Vec<Effect>) {
        if !self.born.forgotten {
            self.born.forgotten = true;
            self.store_life(fx);
            fx.push(Effect::Event(Event::Forgotten));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_noted_reads_back_and_what_is_short_is_of_an_earlier_version() {
        for forgotten in [false, true] {
            let born = Born { number: 0x0102_0304_0506_0708, forgotten };
            assert_eq!(Born::decode(&born.encode()), Some(born));
        }
        assert_eq!(Born::decode(&[1; 7]), None);
        assert_eq!(Born::decode(&[0; 8]), Some(Born { number: 0, forgotten: false }));
    }
}
