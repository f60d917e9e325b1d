//! Sessions of anti-entropy, for those who look at them or end them.

use super::effects::Effect;
use super::{Node, Now};
use crate::sync::Session;

impl Node {
    /// The sessions of anti-entropy that run.
    pub fn sync_sessions(&self) -> impl Iterator<Item = Session> + '_ {
        self.sync.sessions()
    }

    /// Ends a session by its number; false when none of this number runs. The state is as before, and the next round begins
    /// anew.
    pub fn cancel_sync(&mut self, number: u64, now: Now, fx: &mut Vec<Effect>) -> bool {
        self.due = None;
        let mut effects = Vec::new();
        let cancelled = self.sync.cancel(number, now.time, &mut self.scopes, &mut effects);
        self.carry_out_sync(effects, fx);
        cancelled
    }
}
