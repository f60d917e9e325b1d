//! What this node waits for: who has said what, whom to ask again, and when it is too late.

use std::collections::{BTreeMap, BTreeSet};

use damson_crdt::{Context, NodeId};

use super::Ack;
use crate::scope::ScopeName;
use crate::time::Time;
use crate::wire::Have;

/// No pause between two askings is longer, in milliseconds.
const PAUSE_MS_MAX: u64 = 2_000;
/// Whoever was asked so often and has not answered is not counted on: others are asked as well.
const TRIES_PATIENT: u32 = 2;

/// What is waited for.
#[derive(Debug)]
pub(super) enum Kind {
    /// Members that have a write.
    Ack { parts: Vec<Have>, ack: Ack },
    /// A write, here.
    Here { part: Have },
    /// All that a majority has seen, here.
    Majority {
        scope: ScopeName,
        /// What others have seen and we have not.
        lacks: Context,
    },
}

/// One wait. Members are counted by their ids, each once.
#[derive(Debug)]
pub(super) struct Wait {
    pub kind: Kind,
    /// The only member that is asked, and counts.
    pub only: Option<NodeId>,
    /// Those who have said that it is so with them.
    pub had: BTreeSet<NodeId>,
    /// Those who were asked and have not.
    pub asked: BTreeMap<NodeId, Asked>,
    /// How many have to have it, we included.
    pub wanted: usize,
    /// Members have changed since `wanted` was counted.
    pub stale: bool,
    pub deadline: Time,
    due: Time,
}

#[derive(Debug)]
pub(super) struct Asked {
    pub next: Time,
    pause_ms: u64,
    pub tries: u32,
}

/// All waits, by their numbers, which are the nonces of their questions too.
#[derive(Debug, Default)]
pub(super) struct Waits {
    all: BTreeMap<u64, Wait>,
    due: BTreeSet<(Time, u64)>,
    /// How many questions each member has not answered.
    unanswered: BTreeMap<NodeId, usize>,
}

impl Kind {
    /// The scopes that a member must host to be asked.
    pub fn scopes(&self) -> impl Iterator<Item = &ScopeName> {
        let (parts, one) = match self {
            Self::Ack { parts, .. } => (parts.as_slice(), None),
            Self::Here { part } => (std::slice::from_ref(part), None),
            Self::Majority { scope, .. } => (&[][..], Some(scope)),
        };
        parts.iter().map(|part| &part.scope).chain(one)
    }
}

impl Wait {
    pub fn new(kind: Kind, only: Option<NodeId>, now: Time, deadline: Time) -> Self {
        Self {
            kind,
            only,
            had: BTreeSet::new(),
            asked: BTreeMap::new(),
            wanted: usize::MAX,
            stale: true,
            deadline,
            due: now,
        }
    }

    /// How many have it, we included.
    pub fn count(&self) -> usize {
        self.had.len() + 1
    }

    /// How many that were asked are likely to answer.
    pub fn hopes(&self) -> usize {
        self.asked.values().filter(|asked| asked.tries < TRIES_PATIENT).count()
    }
}

impl Waits {
    pub fn len(&self) -> usize {
        self.all.len()
    }

    pub fn get(&self, id: u64) -> Option<&Wait> {
        self.all.get(&id)
    }

    pub fn get_mut(&mut self, id: u64) -> Option<&mut Wait> {
        self.all.get_mut(&id)
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, &Wait)> {
        self.all.iter().map(|(id, wait)| (*id, wait))
    }

    pub fn insert(&mut self, id: u64, wait: Wait) {
        self.due.insert((wait.due, id));
        self.all.insert(id, wait);
    }

    pub fn remove(&mut self, id: u64) -> Option<Wait> {
        let wait = self.all.remove(&id)?;
        self.due.remove(&(wait.due, id));
        wait.asked.keys().for_each(|member| forget_one(&mut self.unanswered, *member));
        Some(wait)
    }

    pub fn deadline(&self) -> Time {
        self.due.first().map_or(Time(u64::MAX), |(due, _)| *due)
    }

    /// The waits that want to be looked at.
    pub fn due(&self, now: Time) -> Vec<u64> {
        self.due.iter().take_while(|(due, _)| *due <= now).map(|(_, id)| *id).collect()
    }

    /// A wait is to be looked at then, or when it is over.
    pub fn set_due(&mut self, id: u64, due: Time) {
        let Some(wait) = self.all.get_mut(&id) else { return };
        let due = due.min(wait.deadline);
        self.due.remove(&(wait.due, id));
        wait.due = due;
        self.due.insert((due, id));
    }

    /// All are to be looked at now: members have changed.
    pub fn all_due(&mut self, now: Time) {
        self.all.values_mut().for_each(|wait| wait.stale = true);
        let ids: Vec<u64> = self.all.keys().copied().collect();
        ids.into_iter().for_each(|id| self.set_due(id, now));
    }

    /// How many questions this member has not answered.
    pub fn unanswered(&self, member: NodeId) -> usize {
        self.unanswered.get(&member).copied().unwrap_or(0)
    }

    /// A member is being asked, for the first time or again.
    pub fn asks(&mut self, id: u64, member: NodeId, pause_ms: u64, now: Time) {
        let Some(wait) = self.all.get_mut(&id) else { return };
        if !wait.asked.contains_key(&member) {
            *self.unanswered.entry(member).or_default() += 1;
        }
        let asked = wait.asked.entry(member).or_insert(Asked { next: now, pause_ms, tries: 0 });
        asked.next = now.plus_ms(asked.pause_ms);
        asked.pause_ms = (asked.pause_ms * 2).min(PAUSE_MS_MAX.max(pause_ms));
        asked.tries += 1;
    }

    /// A member has answered. False when it was not asked.
    pub fn answered(&mut self, id: u64, member: NodeId) -> bool {
        let asked = self.all.get_mut(&id).is_some_and(|wait| wait.asked.remove(&member).is_some());
        if asked {
            forget_one(&mut self.unanswered, member);
        }
        asked
    }

    /// A member cannot be reached any more. Returns the waits in which it was asked.
    pub fn lost(&mut self, member: NodeId) -> Vec<u64> {
        if self.unanswered.remove(&member).is_none() {
            return Vec::new();
        }
        let asked = self.all.iter_mut().filter_map(|(id, wait)| wait.asked.remove(&member).map(|_| *id));
        asked.collect()
    }
}

fn forget_one(counts: &mut BTreeMap<NodeId, usize>, member: NodeId) {
    if let Some(count) = counts.get_mut(&member) {
        *count -= 1;
        if *count == 0 {
            counts.remove(&member);
        }
    }
}
