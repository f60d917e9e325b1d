//! Changes of members' states, as the nodes tell them.

use damson_core::membership::MemberState;
use damson_core::node::Event;
use damson_core::time::Time;

use crate::swarm::{Witness, number_of};

/// A node sees a member in another state than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Change {
    pub at: Time,
    pub observer: u32,
    pub member: u32,
    pub incarnation: u64,
    /// Absent when the observer knows nothing of it any more.
    pub state: Option<MemberState>,
    pub judged_by: Option<u32>,
}

/// All changes since the recording began, in the order of time.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    pub recording: bool,
    pub list: Vec<Change>,
}

impl Witness for Changes {
    fn told(&mut self, at: u32, event: &Event, now: Time) {
        let Event::Member { id, incarnation, state, judged_by, .. } = event else { return };
        if self.recording {
            self.list.push(Change {
                at: now,
                observer: at,
                member: number_of(*id),
                incarnation: *incarnation,
                state: *state,
                judged_by: judged_by.map(number_of),
            });
        }
    }
}
