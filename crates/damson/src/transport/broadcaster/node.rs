//! A node's place on a bus.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use rand_core::Rng;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::announcing::Heard;
use super::envelope::Envelope;
use super::{BroadcastFault, Broadcaster};
use crate::clock::entropy;
use crate::transport::{
    BoxFuture, DatagramHandle, DatagramLimits, DatagramTransport, Link, PeerId, SendFault, Transport,
    TransportCounters, TransportError,
};

/// Longest message, without addresses: a bus counts messages more than bytes, and takes 64 KiB if any.
const MESSAGE_BYTES_MAX: usize = 16 << 10;

/// The transport of a node that runs on a [`Broadcaster`].
pub(crate) struct BroadcasterTransport {
    datagrams: DatagramTransport,
    tasks: [AbortHandle; 2],
}

impl BroadcasterTransport {
    /// Starts to listen. Also gives the addresses of the nodes that are on the bus; when that is dropped the node says no more that
    /// it is there. Needs a running tokio runtime.
    pub fn start(
        broadcaster: Arc<dyn Broadcaster>,
        address: String,
        id: PeerId,
    ) -> Result<(Self, watch::Receiver<Vec<String>>), TransportError> {
        if address.is_empty() || address.len() > usize::from(u8::MAX) {
            return Err(TransportError::Config { field: "address", reason: "must have 1 to 255 bytes" });
        }
        let (sender, from) = (broadcaster.clone(), address.clone());
        let send = move |to: &str, message: Bytes| {
            let envelope = Envelope { to: to.into(), from: from.clone(), message };
            sender.broadcast(envelope.encode()).map_err(|fault| match fault {
                BroadcastFault::Closed => SendFault::Unreachable { reason: fault.to_string() },
                BroadcastFault::Failed { .. } => SendFault::Lost,
            })
        };
        let limits = DatagramLimits { message_bytes_max: MESSAGE_BYTES_MAX, ..DatagramLimits::default() };
        let (datagrams, handle) = DatagramTransport::new(&*address, id, send, limits)?;
        let (told, heard) = watch::channel(Vec::new());
        let roll = Arc::new(Roll { heard: Mutex::default(), told });
        let announcer = datagrams.announcer();
        let tasks = [
            tokio::spawn(listen(broadcaster, address, handle, roll.clone())).abort_handle(),
            tokio::spawn(announce(announcer, roll)).abort_handle(),
        ];
        Ok((Self { datagrams, tasks }, heard))
    }

    pub fn counters(&self) -> Arc<TransportCounters> {
        self.datagrams.transport_counters()
    }
}

impl Transport for BroadcasterTransport {
    fn dial<'a>(&'a self, address: &'a str) -> BoxFuture<'a, Result<Link, TransportError>> {
        self.datagrams.dial(address)
    }

    fn accept(&self) -> BoxFuture<'_, Result<Link, TransportError>> {
        self.datagrams.accept()
    }

    fn local_address(&self) -> String {
        self.datagrams.local_address()
    }
}

impl Drop for BroadcasterTransport {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }
}

/// Who is on the bus, and who is told so.
struct Roll {
    heard: Mutex<Heard>,
    told: watch::Sender<Vec<String>>,
}

impl Roll {
    fn change(&self, change: impl FnOnce(&mut Heard) -> bool) {
        let mut heard = self.heard.lock();
        if change(&mut heard) {
            self.told.send_replace(heard.addresses());
        }
    }
}

/// Takes what is for this node, until the broadcaster ends.
async fn listen(broadcaster: Arc<dyn Broadcaster>, address: String, handle: DatagramHandle, roll: Arc<Roll>) {
    while let Some(data) = broadcaster.next().await {
        // A broadcaster that always has something must not keep others from running.
        tokio::task::coop::consume_budget().await;
        let Some(Envelope { to, from, message }) = Envelope::decode(data) else { continue };
        if from == address {
            continue;
        }
        if to.is_empty() {
            roll.change(|heard| heard.note(from, Instant::now()));
        } else if to == address {
            // What is not taken is counted, and sent again.
            let _ = handle.handle(&from, message);
        }
    }
    tracing::warn!("the broadcaster has ended: nothing comes from other nodes any more");
}

/// Says now and then that this node is there, as long as it wants to know who else is.
async fn announce(announcer: impl Fn(), roll: Arc<Roll>) {
    let mut rng = entropy();
    loop {
        announcer();
        let interval = roll.heard.lock().interval();
        // Not all at once.
        let percent = 75 + u32::try_from(rng.next_u64() % 50).expect("less than fifty");
        tokio::select! {
            () = sleep(interval * percent / 100) => {}
            () = roll.told.closed() => return,
        }
        roll.change(|heard| heard.forget(Instant::now()));
    }
}
