//! After many have failed at once: calling all that we know of.
//!
//! A survivor may know none that lives, and be known to some: each of these has a full active view again and no reason to
//! call it, so it would be lost. So whoever has lost two neighbours within a cycle calls its whole passive view once. A call
//! is an open link and nothing more: who has no neighbour joins over it, and where no path led it becomes a bridge.

use std::collections::BTreeMap;

use damson_crdt::NodeId;

use super::{Overlay, OverlayEffect};
use crate::time::Time;
use crate::wire::Contact;

/// Calls that are to be made.
#[derive(Debug)]
pub(super) struct Survey {
    left: BTreeMap<NodeId, Contact>,
    due: Time,
    /// When a neighbour was last lost.
    lost: Option<Time>,
}

/// First lost neighbours are replaced, and paths that are no more forgotten, in milliseconds.
const AFTER_MS: u64 = 3_000;

impl Survey {
    pub fn none() -> Self {
        Self { left: BTreeMap::new(), due: Time(u64::MAX), lost: None }
    }

    pub fn due(&self) -> Time {
        self.due
    }
}

impl Overlay {
    /// A neighbour's link has broken. Those that are known now count: what fails meanwhile makes them give way.
    pub(super) fn plan_survey(&mut self, now: Time) {
        let before = self.survey.lost.replace(now);
        let again = before.is_some_and(|before| now.ms_since(before) < self.config.shuffle_ms);
        if !again {
            self.survey.left.clear();
        }
        self.survey.left.extend(self.passive.contacts().map(|contact| (contact.id, contact.clone())));
        if again {
            self.survey.due = now.plus_ms(AFTER_MS);
        }
    }

    /// One call at a time: they are not urgent.
    pub(super) fn survey(&mut self, now: Time, fx: &mut Vec<OverlayEffect>) {
        if now < self.survey.due {
            return;
        }
        let Self { survey, open, asked, .. } = self;
        let is_known = |id: &NodeId| open.contains_key(id) || asked.contains_key(id);
        let mut left = std::iter::from_fn(|| survey.left.pop_first());
        let next = left.find(|(id, _)| !is_known(id));
        fx.extend(next.map(|(_, contact)| OverlayEffect::Dial(contact)));
        self.survey.due = match self.survey.left.len() {
            0 => Time(u64::MAX),
            _ => now.plus_ms(self.config.fill_ms_min),
        };
    }
}
