//! Waiting until something is so.

use std::time::{Duration, Instant};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(1);

/// Waits until something is so. Says how long; nothing if it was not in time.
pub async fn wait_for(within: Duration, mut is_so: impl AsyncFnMut() -> bool) -> Option<Duration> {
    let began = Instant::now();
    while !is_so().await {
        if began.elapsed() > within {
            return None;
        }
        tokio::time::sleep(PAUSE).await;
    }
    Some(began.elapsed())
}
