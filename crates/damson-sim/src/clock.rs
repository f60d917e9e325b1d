//! Wall clocks: each node's has an offset from the true time, which may step in either direction.

use damson_core::time::{Now, Time};

/// When the simulated world begins, in milliseconds since 1970.
const BEGIN_MS: u64 = 1_700_000_000_000;

/// One node's wall clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WallClock {
    /// How far it is ahead of the true time, in milliseconds.
    pub offset_ms: i64,
}

impl WallClock {
    pub fn read(self, time: Time) -> Now {
        let true_ms = BEGIN_MS + time.0 / 1_000;
        Now { time, wall_ms: true_ms.saturating_add_signed(self.offset_ms) }
    }
}
