//! Calls the application's `send`, each address on a thread of its own.
//!
//! So a `send` that blocks holds up what goes to its address and nothing else; what finds its queue full is lost, as it might be in
//! the network. A thread ends when nothing was to be sent for a while. One whose `send` never returns is not joined by
//! another: its address stays lost, at the cost of one thread.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::{DatagramCounters, SendFault};
use crate::transport::counters::add;

/// What sends: an address and a message.
pub(super) type Send = dyn Fn(&str, Bytes) -> Result<(), SendFault> + std::marker::Send + Sync;
/// Is told that an address cannot be reached, and why.
pub(super) type OnUnreachable = dyn Fn(&str, &str) + std::marker::Send + Sync;

/// Messages that wait for the `send` of one address: a window, and its acknowledgements.
const QUEUE_MESSAGES_MAX: usize = 128;
/// A thread ends after so long without a message.
const IDLE: Duration = Duration::from_secs(10);

pub(super) struct Outboxes {
    send: Box<Send>,
    on_unreachable: Box<OnUnreachable>,
    counters: Arc<DatagramCounters>,
    /// Most addresses.
    open_max: usize,
    open: Mutex<BTreeMap<String, SyncSender<Letter>>>,
}

struct Letter {
    to: String,
    message: Bytes,
}

impl Outboxes {
    pub fn new(
        send: Box<Send>,
        on_unreachable: Box<OnUnreachable>,
        counters: Arc<DatagramCounters>,
        open_max: usize,
    ) -> Arc<Self> {
        Arc::new(Self { send, on_unreachable, counters, open_max, open: Mutex::default() })
    }

    /// Queues a message for its address, or drops it.
    pub fn put(self: &Arc<Self>, to: &str, message: Bytes) {
        self.put_on(to, to, message);
    }

    /// The same for an address with which there is no link: all these share one thread.
    pub fn put_stray(self: &Arc<Self>, to: &str, message: Bytes) {
        self.put_on("", to, message);
    }

    fn put_on(self: &Arc<Self>, thread: &str, to: &str, message: Bytes) {
        let letter = Letter { to: to.into(), message };
        let mut open = self.open.lock();
        if !open.contains_key(thread) {
            let begun = (open.len() < self.open_max).then(|| self.begin(thread.into()));
            let Some(queue) = begun.and_then(Result::ok) else {
                return add(&self.counters.dropped, 1);
            };
            open.insert(thread.into(), queue);
        }
        if open[thread].try_send(letter).is_err() {
            add(&self.counters.dropped, 1);
        }
    }

    fn begin(self: &Arc<Self>, name: String) -> std::io::Result<SyncSender<Letter>> {
        let (sender, queue) = sync_channel(QUEUE_MESSAGES_MAX);
        let outboxes = Arc::downgrade(self);
        thread::Builder::new().name("damson-send".into()).spawn(move || run(&outboxes, &name, &queue))?;
        Ok(sender)
    }

    fn deliver(&self, letter: Letter) {
        let sent = catch_unwind(AssertUnwindSafe(|| (self.send)(&letter.to, letter.message)));
        let reason = match sent {
            Ok(Ok(())) => return add(&self.counters.sent, 1),
            Ok(Err(SendFault::Lost)) => return add(&self.counters.dropped, 1),
            Ok(Err(SendFault::Unreachable { reason })) => reason,
            Err(_) => "the application's send panicked".into(),
        };
        add(&self.counters.failed, 1);
        (self.on_unreachable)(&letter.to, &reason);
    }

    /// Gives up the thread of that name, unless there is something for it.
    fn retire(&self, name: &str, queue: &Receiver<Letter>) -> Option<Letter> {
        let mut open = self.open.lock();
        let letter = queue.try_recv().ok();
        if letter.is_none() {
            open.remove(name);
        }
        letter
    }
}

fn run(outboxes: &Weak<Outboxes>, name: &str, queue: &Receiver<Letter>) {
    loop {
        let letter = match queue.recv_timeout(IDLE) {
            Ok(letter) => letter,
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let Some(outboxes) = outboxes.upgrade() else { return };
                let Some(letter) = outboxes.retire(name, queue) else { return };
                letter
            }
        };
        let Some(outboxes) = outboxes.upgrade() else { return };
        outboxes.deliver(letter);
    }
}
