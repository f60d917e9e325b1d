//! The clocks of benchmarks.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What [`thread_time`] measures.
pub const THREAD_CLOCK: &str = "thread";

/// Processor time of this thread.
pub fn thread_time() -> Duration {
    of(ClockId::ThreadCPUTime)
}

/// Real time since an arbitrary start.
pub fn wall_time() -> Duration {
    of(ClockId::Monotonic)
}

fn of(id: ClockId) -> Duration {
    let time = clock_gettime(id);
    let part = |n: i64| u64::try_from(n).expect("these clocks count from their start");
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_takes_processor_time_and_one_that_sleeps_does_not() {
        let (cpu, wall) = (thread_time(), wall_time());
        std::thread::sleep(Duration::from_millis(30));
        let slept = thread_time() - cpu;
        assert!(wall_time() - wall >= Duration::from_millis(30) && slept < Duration::from_millis(20));
        let mut n = 0_u64;
        while thread_time() - cpu < Duration::from_millis(1) {
            n = std::hint::black_box(n + 1);
        }
        assert!(n > 0);
    }
}
