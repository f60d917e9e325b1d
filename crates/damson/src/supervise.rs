//! User code on a thread of its own: it may block, and it may panic.
//!
//! A callback never runs under the node's lock. One instance is one thread, which runs one job after the other; whoever has a job
//! waits for it without blocking anybody else. A panic costs the instance: it is dropped and made anew, after a pause that doubles
//! from panic to panic. One that goes on panicking is given up.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

/// How long a user's code is put up with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// The pause after the first of the panics that follow one another.
    pub pause_min: Duration,
    /// The longest pause.
    pub pause_max: Duration,
    /// So many panics that follow one another, after which an instance is given up.
    pub panics_max: u32,
    /// One that comes later than this follows none.
    pub calm: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            pause_min: Duration::from_millis(10),
            pause_max: Duration::from_secs(5),
            panics_max: 16,
            calm: Duration::from_secs(30),
        }
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

/// User code that is made when it is needed, and made anew after a panic.
pub(crate) struct Guarded<T> {
    make: Box<dyn FnMut() -> T + Send>,
    instance: Option<T>,
}

/// Says whether it was done.
type Task<T> = Box<dyn FnOnce(&mut Guarded<T>) -> bool + Send>;

enum Job<T> {
    Run(Task<T>),
    End,
}

/// An instance on its thread. Ends when this is dropped, after the jobs that wait.
pub(crate) struct Worker<T> {
    jobs: mpsc::Sender<Job<T>>,
    /// How many there were.
    panics: Arc<watch::Sender<u64>>,
}

impl<T> Guarded<T> {
    pub fn new(make: impl FnMut() -> T + Send + 'static) -> Self {
        Self { make: Box::new(make), instance: None }
    }

    /// Has it do something. `None` when it panicked, be it in being made.
    pub fn call<R>(&mut self, job: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut instance = self.instance.take();
        let make = &mut self.make;
        let done = catch_unwind(AssertUnwindSafe(|| job(instance.get_or_insert_with(make))));
        if done.is_ok() {
            self.instance = instance;
        } else {
            // What is left of it is the user's code as well.
            let _ = catch_unwind(AssertUnwindSafe(|| drop(instance)));
        }
        done.ok()
    }
}

impl<T: Send + 'static> Worker<T> {
    /// A thread for an instance.
    pub fn start(
        name: &str,
        patience: Patience,
        make: impl FnMut() -> T + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let guarded = Guarded::new(make);
        // Names of threads are cut by the system; the beginning is what differs.
        let thread = std::thread::Builder::new().name(name.into());
        thread.spawn(move || run(patience, guarded, &queue))?;
        Ok(Self { jobs, panics: Arc::default() })
    }

    /// Has the instance do something, and waits for it.
    pub async fn run<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut T) -> R + Send + 'static,
    ) -> Result<R, Failed> {
        let (done, result) = oneshot::channel();
        let panics = self.panics.clone();
        let job = move |guarded: &mut Guarded<T>| {
            let value = guarded.call(job);
            let is_done = value.is_some();
            if !is_done {
                panics.send_modify(|panics| *panics += 1);
            }
            // Whoever asked may have gone.
            let _ = done.send(value.ok_or(Failed::Panicked));
            is_done
        };
        self.jobs.send(Job::Run(Box::new(job))).map_err(|_| Failed::Gone)?;
        result.await.unwrap_or(Err(Failed::Gone))
    }

    /// Ends it after the jobs that wait, whoever still holds this: the instance is dropped, and no job is taken any more.
    pub fn end(&self) {
        // It may have been given up.
        let _ = self.jobs.send(Job::End);
    }

    /// Panics so far, those in making an instance included. After each what the instance held is gone: whoever told it something
    /// follows this.
    pub fn panics(&self) -> watch::Receiver<u64> {
        self.panics.subscribe()
    }
}

/// Waits until a flag is set, or nobody is left who could set it.
pub(crate) async fn told(flag: &mut watch::Receiver<bool>) {
    let _ = flag.wait_for(|set| *set).await;
}

/// Runs jobs until there are no more, it is ended, or panics follow one another.
fn run<T>(patience: Patience, mut guarded: Guarded<T>, queue: &mpsc::Receiver<Job<T>>) {
    // By time and not by what was done in between: of many things that it is told, one may be what it panics at each time.
    let (mut in_a_row, mut last) = (0_u32, Instant::now());
    while let Ok(Job::Run(job)) = queue.recv() {
        if job(&mut guarded) {
            continue;
        }
        in_a_row = if last.elapsed() > patience.calm { 1 } else { in_a_row + 1 };
        if in_a_row >= patience.panics_max {
            return;
        }
        let doubled = patience.pause_min.saturating_mul(2_u32.saturating_pow(in_a_row - 1));
        std::thread::sleep(doubled.min(patience.pause_max));
        last = Instant::now();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMPATIENT: Patience =
        Patience { pause_min: Duration::ZERO, pause_max: Duration::ZERO, panics_max: 3, calm: Duration::MAX };

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
        assert_eq!((failed, *worker.panics().borrow()), (Err(Failed::Panicked), 1));
        assert_eq!(worker.run(|held| held.clone()).await, Ok(vec![2]), "without what was in the old one");
    }

    #[tokio::test]
    async fn one_that_panics_again_and_again_is_given_up_though_it_does_other_things_in_between() {
        let worker = Worker::start("test", IMPATIENT, || 7).unwrap();
        for _ in 0..3 {
            assert_eq!(worker.run(|held| *held).await, Ok(7));
            assert_eq!(worker.run(|_| -> u8 { panic!("a user's bug") }).await, Err(Failed::Panicked));
        }
        assert_eq!(worker.run(|held| *held).await, Err(Failed::Gone));
    }

    #[tokio::test]
    async fn one_that_is_ended_is_dropped_though_somebody_still_holds_it() {
        let held = Arc::new(());
        let made = held.clone();
        let worker = Worker::start("test", IMPATIENT, move || made.clone()).unwrap();
        assert_eq!(worker.run(|held| Arc::strong_count(held)).await, Ok(3));
        worker.end();
        assert_eq!(worker.run(|held| Arc::strong_count(held)).await, Err(Failed::Gone));
        worker.end();
        while Arc::strong_count(&held) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    #[tokio::test]
    async fn one_that_cannot_be_made_is_given_up() {
        let worker = Worker::<u8>::start("test", IMPATIENT, || panic!("it cannot be made")).unwrap();
        let mut ends = Vec::new();
        for _ in 0..4 {
            ends.push(worker.run(|held| *held).await);
        }
        assert_eq!(ends[..2], [Err(Failed::Panicked), Err(Failed::Panicked)]);
        assert_eq!((ends[3], *worker.panics().borrow()), (Err(Failed::Gone), 3));
    }
}
