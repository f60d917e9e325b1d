//! How much of a transfer a receiver has under way at once.
//!
//! A part that comes as soon as the soonest says that the link has room: then four times as much in a round trip, until the
//! first that is late, and an eighth more from then on. A part that comes later than that waited behind others: then half as much. So what
//! is under way follows what the link carries in its round trip and half a second, and whatever shares the link (probes
//! among it) waits no longer than that behind parts.

use super::SyncConfig;
use crate::time::Time;

/// What may be under way, and in parts of which size.
#[derive(Debug)]
pub(super) struct Pace {
    chunk_bytes: u64,
    parts_max: u64,
    /// What may be under way.
    bytes: u64,
    /// How soon the soonest part came.
    soonest_ms: Option<u64>,
    /// The link has shown its limits.
    careful: bool,
    /// When it was halved last.
    halved: Time,
}

/// What a source sends first to a receiver that knows nothing of the link. It is there within a second on one that carries
/// hardly anything.
pub(super) const FIRST_BYTES: usize = 32 << 10;
/// Most that may be under way.
pub(super) const UNDER_WAY_MAX: u64 = 16 << 20;
/// Smaller parts are not asked for, however slow the link.
const LEAST_BYTES: u64 = 8 << 10;
/// What is under way comes in so many parts at least, so that the receiver has something to do meanwhile.
const PIECES: u64 = 4;
/// A part that comes this much later than the soonest is late.
pub(super) const LATE_MS: u64 = 500;

impl Pace {
    pub fn new(config: &SyncConfig) -> Self {
        let chunk_bytes = config.chunk_bytes.max(1) as u64;
        Self {
            chunk_bytes,
            parts_max: config.parts_ahead_max.max(1) as u64,
            bytes: chunk_bytes.min(FIRST_BYTES as u64),
            soonest_ms: None,
            careful: false,
            halved: Time::default(),
        }
    }

    /// The pace of the next session with the same peer: as much as the link is known to carry, a part at most. It may have
    /// become busier meanwhile.
    pub fn resumed(self) -> Self {
        let is_narrow = self.bytes < self.chunk_bytes;
        Self { bytes: self.bytes.min(self.chunk_bytes), careful: self.careful && is_narrow, ..self }
    }

    /// How large a part is to be that is under way alone: the first, and those that answer a demand.
    pub fn lone_bytes(&self) -> u64 {
        self.bytes.min(self.chunk_bytes)
    }

    /// How soon the soonest part came.
    pub fn soonest_ms(&self) -> Option<u64> {
        self.soonest_ms
    }

    /// How large the next part is to be.
    pub fn part_bytes(&self) -> u64 {
        (self.bytes / PIECES.min(self.parts_max)).clamp(self.least(), self.chunk_bytes)
    }

    /// May one more be asked for, while so many with so many bytes are under way?
    pub fn has_room(&self, parts: usize, bytes: u64) -> bool {
        (parts as u64) < self.parts_max && bytes + self.part_bytes() <= self.bytes
    }

    /// A part of so many bytes came that was asked for once.
    pub fn came(&mut self, bytes: u64, asked: Time, now: Time) {
        let took_ms = now.ms_since(asked);
        // A long way, or a narrow one: that shows only in time.
        self.careful |= self.soonest_ms.is_none() && took_ms > LATE_MS;
        let soonest_ms = *self.soonest_ms.insert(self.soonest_ms.unwrap_or(took_ms).min(took_ms));
        if took_ms <= soonest_ms + LATE_MS {
            let more = if self.careful { bytes / 8 } else { bytes.saturating_mul(3) };
            self.bytes = self.bytes.saturating_add(more).min(self.most());
        } else if asked >= self.halved {
            // Those that were asked for before are late for the same reason.
            (self.bytes, self.halved, self.careful) = ((self.bytes / 2).max(self.least()), now, true);
        }
    }

    /// A part came that was asked for again. It may have been lost, which says nothing of the link's room; before any other has
    /// come it may be that the link is narrow.
    pub fn came_again(&mut self) {
        self.careful |= self.soonest_ms.is_none();
    }

    fn least(&self) -> u64 {
        LEAST_BYTES.min(self.chunk_bytes)
    }

    fn most(&self) -> u64 {
        self.chunk_bytes.saturating_mul(self.parts_max).min(UNDER_WAY_MAX.max(self.chunk_bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Time {
        Time(0).plus_ms(ms)
    }

    #[test]
    fn as_much_is_under_way_as_a_link_takes_in_its_round_trip() {
        let mut pace = Pace::new(&SyncConfig::default());
        for n in 0..2_000 {
            pace.came(pace.part_bytes(), at(n * 100), at(n * 100 + 100));
        }
        assert_eq!((pace.bytes, pace.part_bytes()), (UNDER_WAY_MAX, 256 << 10));
        assert!(pace.has_room(63, 63 * (256 << 10)) && !pace.has_room(64, 64 * (256 << 10)));
    }

    #[test]
    fn parts_become_small_where_they_are_late_and_a_burst_of_late_ones_counts_once() {
        let mut pace = Pace::new(&SyncConfig::default());
        pace.came(32 << 10, at(0), at(10));
        let before = pace.bytes;
        (0..8).for_each(|n| pace.came(8 << 10, at(10), at(1_000 + n)));
        assert_eq!(pace.bytes, before / 2);
        (2..50).for_each(|n| pace.came(8 << 10, at(n * 1_000), at(n * 1_000 + 900)));
        assert_eq!((pace.bytes, pace.part_bytes()), (LEAST_BYTES, LEAST_BYTES));
    }

    #[test]
    fn the_next_session_begins_with_what_the_link_has_carried_and_with_a_part_at_most() {
        let first_of = |pace: Pace| pace.resumed().lone_bytes();
        assert_eq!(first_of(Pace::new(&SyncConfig::default())), 32 << 10);
        let mut pace = Pace::new(&SyncConfig::default());
        pace.came(300, at(0), at(10));
        assert_eq!(pace.lone_bytes(), (32 << 10) + 900, "a small part proves little");
        pace.came(32 << 10, at(0), at(10));
        assert_eq!(first_of(pace), (128 << 10) + 900);
        let mut pace = Pace::new(&SyncConfig::default());
        (0..30).for_each(|n| pace.came(256 << 10, at(n), at(n + 10)));
        let resumed = pace.resumed();
        assert_eq!((resumed.lone_bytes(), resumed.bytes), (256 << 10, 256 << 10));
        let mut pace = Pace::new(&SyncConfig::default());
        pace.came(32 << 10, at(0), at(1_100));
        pace.came(8 << 10, at(0), at(5_000));
        assert!(pace.careful && pace.resumed().careful, "a narrow link stays one");
    }

    #[test]
    fn with_one_part_ahead_it_is_one_after_the_other() {
        let mut pace = Pace::new(&SyncConfig { parts_ahead_max: 1, ..SyncConfig::default() });
        (0..9).for_each(|n| pace.came(pace.part_bytes(), at(n), at(n)));
        assert_eq!((pace.bytes, pace.part_bytes()), (256 << 10, 256 << 10));
        assert!(pace.has_room(0, 0) && !pace.has_room(1, 1));
    }
}
