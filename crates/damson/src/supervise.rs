//! User code on a thread of its own: it may block, and it may panic.
//!
//! A callback never runs under the node's lock. One instance is one thread, which runs one job after the other; whoever has a job
//! waits for it without blocking anybody else. A panic costs the instance: it is dropped and made anew, after a pause that doubles
//! from panic to panic. One that does not get anything done any more is given up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use tokio::sync::oneshot;

/// How long a user's code is put up with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// The pause after the first of the panics that follow one another.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// Panics one after the other, without a job that was done in between, after which an instance is given up.
    pub panics_max: u32,
}

impl Default for Patience {
    fn default() -> Self {
        Self { pause_min: Duration::from_millis(10), pause_max: Duration::from_secs(5), panics_max: 16 }
    }
}

/// Why a job was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The instance has panicked; another is there.
    Panicked,
    /// There is no instance any more: it was stopped, or given up.
    Gone,
}

/// Says whether it was done. Without an instance it cannot be.
type Job<T> = Box<dyn FnOnce(Option<&mut T>) -> bool + Send>;

/// An instance on its thread. Ends when this is dropped, after the job that runs.
pub(crate) struct Worker<T> {
    jobs: mpsc::Sender<Job<T>>,
    panics: Arc<AtomicU64>,
}

impl<T: 'static> Worker<T> {
    /// Makes an instance, on a thread of its own.
    pub fn start(
        name: &str,
        patience: Patience,
        make: impl FnMut() -> T + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let panics = Arc::new(AtomicU64::new(0));
        // Names of threads are cut by the system; the beginning is what differs.
        let thread = std::thread::Builder::new().name(name.into());
        thread.spawn(move || run(patience, make, &queue))?;
        Ok(Self { jobs, panics })
    }

    /// Has the instance do something, and waits for it.
    pub async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, Failed> {
        let (done, result) = oneshot::channel();
        let panics = self.panics.clone();
        let job = move |instance: Option<&mut T>| {
            let value = instance.and_then(|instance| catch_unwind(AssertUnwindSafe(|| job(instance))).ok());
            let is_done = value.is_some();
            panics.fetch_add(u64::from(!is_done), Ordering::Relaxed);
            // Whoever asked may have gone.
            let _ = done.send(value.ok_or(Failed::Panicked));
            is_done
        };
        self.jobs.send(Box::new(job)).map_err(|_| Failed::Gone)?;
        result.await.unwrap_or(Err(Failed::Gone))
    }

    /// Panics so far, those of making an instance included.
    pub fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }
}

/// Runs jobs until there are no more, or nothing gets done.
fn run<T>(patience: Patience, mut make: impl FnMut() -> T, queue: &mpsc::Receiver<Job<T>>) {
    let (mut instance, mut in_a_row) = (None, 0_u32);
    while let Ok(job) = queue.recv() {
        let mut held = instance.take().or_else(|| catch_unwind(AssertUnwindSafe(&mut make)).ok());
        if job(held.as_mut()) {
            (instance, in_a_row) = (held, 0);
            continue;
        }
        // Its end is the user's code as well.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(held)));
        in_a_row += 1;
        if in_a_row >= patience.panics_max {
            return;
        }
        let doubled = patience.pause_min.saturating_mul(2_u32.saturating_pow(in_a_row - 1));
        std::thread::sleep(doubled.min(patience.pause_max));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMPATIENT: Patience =
        Patience { pause_min: Duration::ZERO, pause_max: Duration::ZERO, panics_max: 3 };

    #[tokio::test]
    async fn an_instance_that_panics_is_made_anew_and_the_one_who_asked_is_told() {
        let mut made = 0;
        let make = move || {
            made += 1;
            vec![made]
        };
        let worker = Worker::start("test", Patience::default(), make).unwrap();
        let held = worker.run(|held| {
            held.push(7);
            held.clone()
        });
        assert_eq!(held.await, Ok(vec![1, 7]));
        let failed: Result<(), Failed> = worker.run(|_| panic!("a user's bug")).await;
        assert_eq!((failed, worker.panics()), (Err(Failed::Panicked), 1));
        assert_eq!(worker.run(|held| held.clone()).await, Ok(vec![2]), "without what was in the old one");
    }

    #[tokio::test]
    async fn one_that_cannot_be_made_is_given_up() {
        let worker = Worker::<u8>::start("test", IMPATIENT, || panic!("it cannot be made")).unwrap();
        let mut ends = Vec::new();
        for _ in 0..4 {
            ends.push(worker.run(|held| *held).await);
        }
        assert_eq!(ends[..2], [Err(Failed::Panicked), Err(Failed::Panicked)]);
        assert_eq!((ends[3], worker.panics()), (Err(Failed::Gone), 3));
    }
}
