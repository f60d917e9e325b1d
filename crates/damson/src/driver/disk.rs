//! The disk's thread: rows in, tickets out.
//!
//! Groups of rows are committed in the order of their tickets. Whatever has queued while one commit ran goes into the
//! next (group commit). A failure poisons the store: nothing is acknowledged any more. If the disk was full, what may be lost
//! is kept, and written once more as soon as there is room: until then writes are refused and reads go on. So it is when the
//! store's work in the background has failed, of which nobody can tell whether the disk was full for a moment.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use damson_core::persist::Row;
use damson_core::scope::ScopeName;
use damson_store::{Durability, Snapshot, Store, StoreError};
use tokio::sync::{oneshot, watch};

use super::unsaved::{Unsaved, bytes_of};

/// What an acknowledged write has behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sync {
    /// It is on disk: nothing is lost when the power fails. Writers share an fsync.
    Always,
    /// The journal write has returned: nothing is lost when the process crashes; when the power fails, at most the
    /// interval ([`NodeBuilder::sync_interval`](crate::NodeBuilder::sync_interval)). The default.
    #[default]
    Interval,
    /// Memory only, nothing on disk.
    Never,
}

/// Names a moment in the order of a node's writes: [`crate::Scope::durable`] waits until everything up to it is as
/// durable as its scope asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(pub(crate) u64);

/// Rows that may wait for the disk before what links bring has to wait.
const QUEUE_BYTES_MAX: u64 = 64 << 20;
/// Rows that are written and not flushed, beyond which they are at once: they are kept in case the disk is full by then.
const UNFLUSHED_BYTES_MAX: u64 = 64 << 20;
/// Rows that wait for a full disk, beyond which they are given up: the failure is final then.
const UNSAVED_BYTES_MAX: u64 = 512 << 20;
/// How often a full disk is looked at.
pub(super) const HEAL_INTERVAL: Duration = Duration::from_secs(1);
/// A failure of the database's background work is taken for a passing one this long after the last such.
const BACKGROUND_PAUSE: Duration = Duration::from_secs(60);
/// Rows that one commit takes at most, so that writers are acknowledged steadily.
const COMMIT_BYTES_MAX: u64 = 8 << 20;

pub(crate) struct Disk {
    jobs: std::sync::mpsc::Sender<Job>,
    done: watch::Receiver<Done>,
    queued: Arc<AtomicU64>,
    sync_of: Box<dyn Fn(&ScopeName) -> Sync + Send + std::marker::Sync>,
}

/// How far the disk is.
#[derive(Debug, Clone, Default)]
struct Done {
    ticket: u64,
    failure: Option<String>,
    /// The failure may pass: the disk was full.
    heals: bool,
    /// The thread has ended as it was told to.
    stopped: bool,
}

enum Job {
    Rows { ticket: u64, rows: Vec<Row>, bytes: u64, durability: Durability },
    Snapshot { done: oneshot::Sender<Result<Box<dyn Snapshot>, String>> },
    Stop { mark: Bytes, done: oneshot::Sender<Result<(), String>> },
}

struct Worker {
    store: Box<dyn Store>,
    /// How often written rows are flushed under [`Sync::Interval`].
    interval: Duration,
    done: watch::Sender<Done>,
    queued: Arc<AtomicU64>,
    /// When unflushed rows were written first.
    dirty: Option<Instant>,
    unsaved: Unsaved,
    full: Option<Full>,
    /// When the store's work in the background failed last.
    failed_behind: Option<Instant>,
}

/// The disk was full, or may have been.
#[derive(Debug, Clone, Copy)]
struct Full {
    /// Rows up to this ticket wait for room.
    ticket: u64,
    /// When it is looked at next.
    next_try: Instant,
}

impl Disk {
    /// Starts the thread.
    pub fn start(
        store: Box<dyn Store>,
        interval: Duration,
        sync_of: impl Fn(&ScopeName) -> Sync + Send + std::marker::Sync + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = std::sync::mpsc::channel();
        let (sender, done) = watch::channel(Done::default());
        let queued = Arc::new(AtomicU64::new(0));
        let (dirty, unsaved, full) = (None, Unsaved::default(), None);
        let queued_there = queued.clone();
        let failed_behind = None;
        let worker = Worker {
            store,
            interval,
            done: sender,
            queued: queued_there,
            dirty,
            unsaved,
            full,
            failed_behind,
        };
        std::thread::Builder::new().name("damson-disk".into()).spawn(move || worker.run(&queue))?;
        Ok(Self { jobs, done, queued, sync_of: Box::new(sync_of) })
    }

    /// Queues a group of rows.
    pub fn persist(&self, scope: Option<&ScopeName>, ticket: Ticket, rows: Vec<Row>) {
        let sync = scope.map_or(Sync::Always, |scope| (self.sync_of)(scope));
        let durability = if sync == Sync::Always { Durability::Flushed } else { Durability::Written };
        let rows = if sync == Sync::Never { Vec::new() } else { rows };
        let bytes = rows.iter().map(bytes_of).sum();
        self.queued.fetch_add(bytes, Ordering::Relaxed);
        // After a stop there is nobody to take it, and nobody who waits for it.
        let _ = self.jobs.send(Job::Rows { ticket: ticket.0, rows, bytes, durability });
    }

    /// What the writes to a scope have behind them.
    pub fn sync_of(&self, scope: &ScopeName) -> Sync {
        (self.sync_of)(scope)
    }

    /// Waits until everything up to a ticket is as durable as asked.
    pub async fn reached(&self, ticket: Ticket) -> Result<(), String> {
        let mut done = self.done.clone();
        let reached = done.wait_for(|done| done.ticket >= ticket.0 || done.failure.is_some()).await;
        match reached {
            Ok(done) if done.ticket >= ticket.0 => Ok(()),
            Ok(done) => Err(done.failure.clone().unwrap_or_default()),
            Err(_) => Err("the disk thread has ended".into()),
        }
    }

    /// The same, through a time in which the disk is full.
    pub async fn reached_at_last(&self, ticket: Ticket) -> Result<(), String> {
        let mut done = self.done.clone();
        let is_over = |done: &Done| done.ticket >= ticket.0 || (done.failure.is_some() && !done.heals);
        match done.wait_for(is_over).await {
            Ok(done) if done.ticket >= ticket.0 => Ok(()),
            Ok(done) => Err(done.failure.clone().unwrap_or_default()),
            Err(_) => Err("the disk thread has ended".into()),
        }
    }

    /// Is everything up to a ticket as durable as asked already?
    pub fn has_reached(&self, ticket: Ticket) -> bool {
        self.done.borrow().ticket >= ticket.0
    }

    /// What has failed, if anything has.
    pub fn failure(&self) -> Option<String> {
        let ended = self.done.has_changed().is_err() && !self.done.borrow().stopped;
        let failure = self.done.borrow().failure.clone();
        failure.or_else(|| ended.then(|| "the disk thread has ended".into()))
    }

    /// Is the queue short enough to take more?
    pub fn has_room_now(&self) -> bool {
        self.is_shorter_than(QUEUE_BYTES_MAX)
    }

    /// Waits until the queue is short enough to take more.
    pub async fn has_room(&self) {
        if self.has_room_now() {
            return;
        }
        self.shorter_than(QUEUE_BYTES_MAX).await;
    }

    fn is_shorter_than(&self, bytes: u64) -> bool {
        // Behind a thread that has failed or ended nothing gets shorter, and writes are refused.
        let given_up = self.done.has_changed().is_err() || self.done.borrow().failure.is_some();
        self.queued.load(Ordering::Relaxed) < bytes || given_up
    }

    async fn shorter_than(&self, bytes: u64) {
        let mut done = self.done.clone();
        let queued = self.queued.clone();
        let is_short = |done: &Done| queued.load(Ordering::Relaxed) < bytes || done.failure.is_some();
        // An error means that the thread has ended, and nobody takes any more.
        let _ = done.wait_for(is_short).await;
    }

    /// Is the queue short enough for writers of this node? What links bring has as much again.
    pub fn has_room_for_writers(&self) -> bool {
        self.is_shorter_than(QUEUE_BYTES_MAX / 2)
    }

    /// Waits until the queue is short enough for writers of this node.
    pub async fn room_for_writers(&self) {
        self.shorter_than(QUEUE_BYTES_MAX / 2).await;
    }

    /// Asks for a snapshot of all that is queued by now, and of nothing that comes later.
    pub fn snapshot(&self) -> oneshot::Receiver<Result<Box<dyn Snapshot>, String>> {
        let (done, result) = oneshot::channel();
        // After a stop the receiver is told so, by the sender being gone.
        let _ = self.jobs.send(Job::Snapshot { done });
        result
    }

    /// Waits for the disk and leaves the mark of a clean stop.
    pub async fn stop(&self, mark: Bytes) -> Result<(), String> {
        let (done, result) = oneshot::channel();
        let ended = || "the disk thread has ended".to_string();
        self.jobs.send(Job::Stop { mark, done }).map_err(|_| ended())?;
        result.await.map_err(|_| ended())?
    }
}

impl Worker {
    fn run(mut self, queue: &std::sync::mpsc::Receiver<Job>) {
        loop {
            let pause = self.pause();
            // Due or not, jobs may come without a pause.
            if pause.is_some_and(|pause| pause.is_zero()) {
                self.flush_or_heal();
                continue;
            }
            let job = match pause {
                None => queue.recv().ok(),
                Some(pause) => match queue.recv_timeout(pause) {
                    Ok(job) => Some(job),
                    Err(std::sync::mpsc::RecvTimeoutError::Timeout) => continue,
                    Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => None,
                },
            };
            let Some(job) = job else { break };
            if let Some((mark, done)) = self.commit_with_queued(job, queue) {
                if self.full.is_some() {
                    self.flush_or_heal();
                }
                let result = self.store.leave_mark(&mark).map_err(|error| error.to_string());
                self.done.send_modify(|done| done.stopped = true);
                // The one who stopped the node may have gone.
                let _ = done.send(result);
                return;
            }
        }
        self.flush_or_heal();
    }

    /// How long nothing is to be done without a job.
    fn pause(&self) -> Option<Duration> {
        match (self.full, self.dirty) {
            (Some(full), _) => Some(full.next_try.saturating_duration_since(Instant::now())),
            (None, since) => since.map(|since| self.interval.saturating_sub(since.elapsed())),
        }
    }

    fn flush_or_heal(&mut self) {
        match self.full {
            Some(full) => self.heal(full.ticket),
            None if self.dirty.is_some() => self.flush(),
            None => {}
        }
    }

    /// Commits a job and what has queued behind it. Returns the stop, when one is among them.
    fn commit_with_queued(
        &mut self,
        first: Job,
        queue: &std::sync::mpsc::Receiver<Job>,
    ) -> Option<(Bytes, oneshot::Sender<Result<(), String>>)> {
        let (mut all, mut total, mut newest, mut flushed) = (Vec::new(), 0, 0, false);
        let (mut stop, mut snapshot) = (None, None);
        let mut next = Some(first);
        while let Some(job) = next.take() {
            match job {
                Job::Rows { ticket, rows, bytes, durability } => {
                    all.extend(rows);
                    total += bytes;
                    newest = ticket;
                    flushed |= durability == Durability::Flushed;
                    if total < COMMIT_BYTES_MAX {
                        next = queue.try_recv().ok();
                    }
                }
                Job::Snapshot { done } => snapshot = Some(done),
                Job::Stop { mark, done } => stop = Some((mark, done)),
            }
        }
        self.commit(all, newest, total, flushed);
        if let Some(done) = snapshot {
            self.snapshot(done);
        }
        stop
    }

    fn commit(&mut self, rows: Vec<Row>, ticket: u64, bytes: u64, flushed: bool) {
        if let Some(full) = &mut self.full {
            full.ticket = full.ticket.max(ticket);
            self.unsaved.add_folding(rows, bytes);
            self.queued.fetch_sub(bytes, Ordering::Relaxed);
            if self.unsaved.bytes() > UNSAVED_BYTES_MAX {
                tracing::error!(
                    "the disk is full, and too much waits for it: restart the node when there is room"
                );
                self.full = None;
                self.unsaved.saved();
                self.done.send_modify(|done| done.heals = false);
            }
            return;
        }
        if self.done.borrow().failure.is_some() {
            self.queued.fetch_sub(bytes, Ordering::Relaxed);
            return;
        }
        let durability = if flushed { Durability::Flushed } else { Durability::Written };
        let result = if rows.is_empty() { Ok(()) } else { self.store.commit(&rows, durability) };
        self.queued.fetch_sub(bytes, Ordering::Relaxed);
        let is_dirty = !rows.is_empty() && !flushed;
        self.unsaved.add(rows, bytes);
        match result {
            Ok(()) if flushed => self.saved(),
            Ok(()) if is_dirty => _ = self.dirty.get_or_insert_with(Instant::now),
            Ok(()) => {}
            Err(error) => return self.fail(&error, ticket),
        }
        if ticket > 0 {
            self.done.send_modify(|done| done.ticket = ticket);
        }
        if self.unsaved.bytes() > UNFLUSHED_BYTES_MAX {
            self.flush();
        }
    }

    fn flush(&mut self) {
        match self.store.flush() {
            Ok(()) => self.saved(),
            Err(error) => {
                let ticket = self.done.borrow().ticket;
                self.fail(&error, ticket);
            }
        }
    }

    fn snapshot(&mut self, done: oneshot::Sender<Result<Box<dyn Snapshot>, String>>) {
        let snapshot = match &self.done.borrow().failure {
            Some(cause) => Err(cause.clone()),
            None => Ok(()),
        };
        let snapshot = snapshot.and_then(|()| {
            self.store.snapshot().map_err(|error| {
                let ticket = self.done.borrow().ticket;
                self.fail(&error, ticket);
                error.to_string()
            })
        });
        if snapshot.is_ok() {
            self.saved();
        }
        // The one who asked may have gone.
        let _ = done.send(snapshot);
    }

    fn saved(&mut self) {
        self.dirty = None;
        self.unsaved.saved();
    }

    fn fail(&mut self, error: &StoreError, ticket: u64) {
        self.dirty = None;
        let next_try = Instant::now() + HEAL_INTERVAL;
        if error.is_full() || self.store.is_full() {
            tracing::error!(%error, "the disk is full: writes are refused until there is room again, reads go on");
            self.full = Some(Full { ticket, next_try });
        } else if matches!(error, StoreError::Background { .. }) && self.may_pass() {
            tracing::error!(%error, "the database has failed in the background: it is opened again, writes are refused until then");
            self.full = Some(Full { ticket, next_try });
        } else {
            tracing::error!(%error, "storage has failed: nothing is acknowledged any more");
            self.unsaved.saved();
        }
        let heals = self.full.is_some();
        self.done.send_modify(|done| (done.failure, done.heals) = (Some(error.to_string()), heals));
    }

    /// May a failure of the background be a passing one, such as a disk that was full for a moment?
    fn may_pass(&mut self) -> bool {
        let before = self.failed_behind.replace(Instant::now());
        before.is_none_or(|before| before.elapsed() > BACKGROUND_PAUSE)
    }

    /// Writes what may be lost once more, if there is room.
    fn heal(&mut self, ticket: u64) {
        self.full = Some(Full { ticket, next_try: Instant::now() + HEAL_INTERVAL });
        if self.store.is_full() {
            return;
        }
        let again =
            self.store.reopen().and_then(|()| self.store.commit(self.unsaved.rows(), Durability::Flushed));
        match again {
            Ok(()) => {
                tracing::info!(
                    rows = self.unsaved.rows().len(),
                    "the disk has room again: everything is written"
                );
                self.full = None;
                self.saved();
                self.done
                    .send_modify(|done| *done = Done { ticket: done.ticket.max(ticket), ..Done::default() });
            }
            Err(error) => tracing::warn!(%error, "the disk has room again, and still nothing can be written"),
        }
    }
}
