//! The operating system's clocks and entropy: the only place where they are read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use damson_core::time::{Now, Time};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use ring::rand::{SecureRandom, SystemRandom};
use tokio::time::Instant;

#[derive(Debug, Clone, Copy)]
pub(crate) struct OsClock {
    /// Tokio's, so that tests which pause its time pause the node's too.
    started: Instant,
}

impl OsClock {
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }

    pub fn now(&self) -> Now {
        Now {
            time: Time(u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)),
            wall_ms: wall_ms(),
        }
    }

    /// How long until a time of this clock; zero when it has passed.
    pub fn until(&self, time: Time) -> std::time::Duration {
        std::time::Duration::from_micros(time.0.saturating_sub(self.now().time.0))
    }
}

/// Milliseconds since 1970.
pub(crate) fn wall_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// So long, but for a quarter more or less by chance: members that began together do not stay together.
pub(crate) fn about(interval: Duration) -> Duration {
    let quarter = interval / 4;
    let chance = u32::try_from(entropy().next_u64() % 1_001).expect("below a thousand and one");
    interval - quarter + quarter / 500 * chance
}

/// A generator seeded with the system's entropy: lives are drawn from it.
///
/// # Panics
/// When the system has no entropy: a life that repeats would lose data.
pub(crate) fn entropy() -> ChaCha8Rng {
    let mut seed = [0; 32];
    SystemRandom::new().fill(&mut seed).expect("the operating system gives entropy");
    ChaCha8Rng::from_seed(seed)
}
