//! The tasks of links: dial, read, end.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use damson_core::crdt::NodeId;
use damson_core::node::{Input, Lane as CoreLane, LinkId};
use tokio::sync::{Notify, mpsc};

use super::doorman;
use super::held::Held;
use super::{Driver, OpenLink};
use crate::transport::{Lane, Link};

/// Frames that are handed to the node under one lock.
const FRAMES_AT_ONCE: usize = 64;
/// A link of which too much waits for the disk is not read; but each such time one frame is taken all the same. So its peer
/// counts as heard, and what comes behind is read in the end, probes too. Half of liveness's period.
const PATIENCE: Duration = Duration::from_millis(500);

impl From<CoreLane> for Lane {
    fn from(lane: CoreLane) -> Self {
        match lane {
            CoreLane::Urgent => Self::Urgent,
            CoreLane::Bulk => Self::Bulk,
            CoreLane::Transfer => Self::Transfer,
        }
    }
}

/// Dials, and runs the link until it ends.
pub(super) async fn dial(driver: Arc<Driver>, address: String) {
    let mut stopping = driver.stopping.subscribe();
    let dialed = tokio::select! {
        dialed = driver.transport.dial(&address) => dialed,
        _ = stopping.wait_for(|stop| *stop) => return,
    };
    match dialed {
        Ok(link) => match driver.trusts(&address, link.peer).await {
            Ok(()) => run(driver, link, Some(address)).await,
            Err(error) => {
                tracing::warn!(%error, "cannot join through this address");
                driver.input([Input::DialFailed { address }]);
            }
        },
        Err(error) => {
            tracing::debug!(address, %error, "dial failed");
            if error.is_refusal() {
                tracing::warn!(address, %error, "cannot join through this address");
            }
            driver.input([Input::DialFailed { address }]);
        }
    }
}

/// Reads a link until it ends.
pub(super) async fn run(driver: Arc<Driver>, mut link: Link, dialed: Option<String>) {
    let expelled = Arc::new(Notify::new());
    let id = {
        let mut state = driver.state.lock();
        let id = LinkId(state.next_link);
        state.next_link += 1;
        link.sender.tell_idle(driver.idle.clone());
        link.sender.count_in(driver.room.backlog.clone());
        state.links.insert(id, OpenLink { sender: link.sender, expelled: expelled.clone() });
        id
    };
    let peer = NodeId(link.peer);
    driver.input([Input::LinkUp { link: id, peer, dialed }]);
    // Asked only now: a list that has changed before closes no link that was not up yet.
    if driver.transport.admits(&link.peer) {
        tokio::select! {
            () = welcome(&driver, id, peer, &mut link.incoming) => {}
            () = expelled.notified() => return,
        }
    }
    driver.state.lock().links.remove(&id);
    driver.input([Input::LinkDown { link: id }]);
}

/// Reads a link whose peer is trusted, as far as that has to be looked at.
async fn welcome(driver: &Arc<Driver>, id: LinkId, peer: NodeId, incoming: &mut mpsc::Receiver<Bytes>) {
    if let Some(trust) = &driver.trust {
        let mut stopping = driver.stopping.subscribe();
        let hello = tokio::select! {
            hello = doorman::trusted_hello(trust, peer, incoming) => hello,
            _ = stopping.wait_for(|stop| *stop) => return,
        };
        match hello {
            Ok(hello) => driver.input(hello.map(|frame| Input::Frame { link: id, frame })),
            Err(error) => {
                tracing::warn!(%error, "a peer is refused");
                driver.input([Input::Distrusted { link: id }]);
                return;
            }
        }
    }
    read(driver, id, incoming).await;
}

/// Hands the node what comes over a link, until the link or the driver ends.
async fn read(driver: &Arc<Driver>, link: LinkId, incoming: &mut mpsc::Receiver<Bytes>) {
    let mut stopping = driver.stopping.subscribe();
    let hand_in = |frame| Input::Frame { link, frame };
    let mut frames = Vec::with_capacity(FRAMES_AT_ONCE);
    let mut held = Held::default();
    loop {
        tokio::select! {
            biased;
            _ = stopping.wait_for(|stop| *stop) => return,
            () = driver.disk.has_room(), if !held.is_empty() => {
                driver.input(held.release(FRAMES_AT_ONCE).map(hand_in));
            }
            () = tokio::time::sleep(PATIENCE), if held.is_full() => driver.input(held.release(1).map(hand_in)),
            count = incoming.recv_many(&mut frames, FRAMES_AT_ONCE), if !held.is_full() => {
                if count == 0 {
                    break;
                }
                let wait = !held.is_empty() || !driver.disk.has_room_now();
                let (now, later): (Vec<_>, Vec<_>) =
                    frames.drain(..).partition(|frame| !wait || CoreLane::of(frame) == CoreLane::Urgent);
                later.into_iter().for_each(|frame| held.hold(frame));
                driver.input(now.into_iter().map(hand_in));
            }
        }
    }
    // The peer has sent them, and takes them for delivered: they are not many enough to wait any longer.
    while !held.is_empty() {
        driver.input(held.release(FRAMES_AT_ONCE).map(hand_in));
    }
}
