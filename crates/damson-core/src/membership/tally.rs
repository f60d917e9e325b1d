//! What the roster counts as it changes, so that nobody has to walk it.

use std::collections::BTreeMap;

use super::{Member, MemberState};
use crate::scope::ScopeName;

/// How many members are in which state, and how many name which scope.
#[derive(Debug, Default)]
pub(super) struct Tally {
    alive: usize,
    suspect: usize,
    dead: usize,
    left: usize,
    named: BTreeMap<ScopeName, usize>,
}

impl Tally {
    pub(super) fn add(&mut self, member: &Member) {
        *self.of_mut(member.state) += 1;
        for scope in member.hosted.iter().flatten() {
            *self.named.entry(scope.clone()).or_default() += 1;
        }
    }

    pub(super) fn remove(&mut self, member: &Member) {
        *self.of_mut(member.state) -= 1;
        for scope in member.hosted.iter().flatten() {
            let count = self.named.get_mut(scope).expect("counted when the member came");
            *count -= 1;
            if *count == 0 {
                self.named.remove(scope);
            }
        }
    }

    pub(super) fn of(&self, state: MemberState) -> usize {
        match state {
            MemberState::Alive => self.alive,
            MemberState::Suspect => self.suspect,
            MemberState::Dead => self.dead,
            MemberState::Left => self.left,
        }
    }

    pub(super) fn named(&self) -> impl Iterator<Item = &ScopeName> {
        self.named.keys()
    }

    fn of_mut(&mut self, state: MemberState) -> &mut usize {
        match state {
            MemberState::Alive => &mut self.alive,
            MemberState::Suspect => &mut self.suspect,
            MemberState::Dead => &mut self.dead,
            MemberState::Left => &mut self.left,
        }
    }
}
