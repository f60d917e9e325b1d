//! Hybrid logical time: breaks ties between concurrent writes, and decides nothing else.
//!
//! Kulkarni et al., "Logical physical clocks" (2014): the greater of wall time and all that was seen, with a counter for
//! events within one millisecond. A time from too far ahead is not absorbed, so that one wrong clock cannot drag all
//! others with it.

use std::fmt;

use minicbor::{Decode, Encode};

/// A hybrid logical time: 48 bits of milliseconds since 1970, 16 bits of counter.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Encode, Decode)]
#[cbor(transparent)]
pub struct Hlc(#[n(0)] pub u64);

/// A node's hybrid logical clock. Wall time is an argument of every call.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    last: Hlc,
}

impl Hlc {
    /// A time at the start of a millisecond. Milliseconds beyond 48 bits are cut to the greatest.
    pub const fn from_ms(ms: u64) -> Self {
        let ms = if ms >= 1 << 48 { (1 << 48) - 1 } else { ms };
        Self(ms << 16)
    }

    /// Milliseconds since 1970.
    pub const fn ms(self) -> u64 {
        self.0 >> 16
    }
}

impl Clock {
    /// A time for a local event: greater than every time given or absorbed before.
    pub fn tick(&mut self, wall_ms: u64) -> Hlc {
        self.last = Hlc(self.last.0.saturating_add(1)).max(Hlc::from_ms(wall_ms));
        self.last
    }

    /// Takes notice of a time seen elsewhere. Returns false, and absorbs nothing, when it lies further ahead of
    /// `wall_ms` than `drift_ms_max`.
    pub fn observe(&mut self, seen: Hlc, wall_ms: u64, drift_ms_max: u64) -> bool {
        let acceptable = seen.ms() <= wall_ms.saturating_add(drift_ms_max);
        if acceptable {
            self.last = self.last.max(seen);
        }
        acceptable
    }

    /// The greatest time given or absorbed.
    pub fn last(&self) -> Hlc {
        self.last
    }
}

impl fmt::Debug for Hlc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.ms(), self.0 & 0xffff)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_times_grow_even_when_the_wall_clock_steps_back() {
        let mut clock = Clock::default();
        let first = clock.tick(1_000);
        let second = clock.tick(10);
        assert!(second > first);
        assert_eq!(second.ms(), 1_000);
    }

    #[test]
    fn a_time_from_the_far_future_is_not_absorbed() {
        let mut clock = Clock::default();
        clock.tick(1_000);
        assert!(!clock.observe(Hlc::from_ms(1_000_000), 1_000, 500));
        assert_eq!(clock.tick(1_001), Hlc::from_ms(1_001));
        assert!(clock.observe(Hlc::from_ms(1_400), 1_001, 500));
        assert!(clock.tick(1_002) > Hlc::from_ms(1_400));
    }
}
