//! The clock of work that one thread does alone: on a machine that others use as well, its own processor time.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// Processor time of this thread.
pub fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let part = |n: i64| u64::try_from(n).expect("this clock counts from the thread's start");
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// What this thread works for it. What it makes lives on, so that its end is not counted.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let before = thread_time();
    let made = work();
    (made, thread_time().saturating_sub(before))
}

/// Nanoseconds for each of so many.
pub fn ns_each(took: Duration, count: usize) -> f64 {
    took.as_secs_f64() * 1e9 / count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_no_work() {
        let ((), took) = timed(|| std::thread::sleep(Duration::from_millis(60)));
        assert!(took < Duration::from_millis(30), "{took:?}");
        assert_eq!(ns_each(Duration::from_micros(3), 2), 1_500.0);
    }
}
