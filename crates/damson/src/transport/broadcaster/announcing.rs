//! Who is on the bus: nodes say now and then that they are there.
//!
//! All hear all of it, so in a large cluster each says it more seldom: together they say it some eight times a second.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

/// How often a node says that it is there, as long as there are few.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(1);
/// Announcements of all nodes in that time.
const ANNOUNCEMENTS: u32 = 8;
/// Who was not heard for so many times is no contact any more.
const MISSED_MAX: u32 = 10;
/// Most nodes that are remembered: to join, any of them will do.
const HEARD_MAX: usize = 1_024;

/// Nodes that were heard.
#[derive(Debug, Default)]
pub(super) struct Heard {
    last: BTreeMap<String, Instant>,
}

impl Heard {
    /// Somebody is there. True when that is new.
    pub fn note(&mut self, address: String, now: Instant) -> bool {
        let is_new = !self.last.contains_key(&address);
        if is_new && self.last.len() >= HEARD_MAX {
            return false;
        }
        self.last.insert(address, now);
        is_new
    }

    /// Forgets those who have not been heard for long. True when there were any.
    pub fn forget(&mut self, now: Instant) -> bool {
        let (before, longest) = (self.last.len(), self.interval() * MISSED_MAX);
        self.last.retain(|_, last| now.duration_since(*last) < longest);
        self.last.len() != before
    }

    pub fn addresses(&self) -> Vec<String> {
        self.last.keys().cloned().collect()
    }

    /// How often to say that one is there.
    pub fn interval(&self) -> Duration {
        let nodes = u32::try_from(self.last.len()).expect("bounded") + 1;
        ANNOUNCE_EVERY * nodes.div_ceil(ANNOUNCEMENTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_falls_silent_is_forgotten_and_many_speak_more_seldom() {
        let mut heard = Heard::default();
        let now = Instant::now();
        assert!(heard.note("a".into(), now) && !heard.note("a".into(), now));
        assert_eq!(heard.interval(), ANNOUNCE_EVERY);
        assert!(!heard.forget(now + Duration::from_secs(9)) && heard.forget(now + Duration::from_secs(11)));
        (0..2_000).for_each(|n| _ = heard.note(n.to_string(), now));
        assert_eq!(heard.addresses().len(), HEARD_MAX);
        assert_eq!(heard.interval(), ANNOUNCE_EVERY * 129);
    }
}
