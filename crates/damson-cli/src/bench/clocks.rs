//! The clock of benchmarks that one thread does alone: on a machine that others use as well, its own processor time.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// What [`thread_time`] measures.
pub const THREAD_CLOCK: &str = "thread";

/// Processor time of this thread.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |n: i64| u64::try_from(n).expect("this clock counts from the thread's start");
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_works_takes_processor_time_and_one_that_sleeps_does_not() {
        let began = thread_time();
        std::thread::sleep(Duration::from_millis(60));
        assert!(thread_time() - began < Duration::from_millis(30));
        let mut n = 0_u64;
        while thread_time() - began < Duration::from_millis(40) {
            n = std::hint::black_box(n + 1);
        }
        assert!(n > 0);
    }
}
