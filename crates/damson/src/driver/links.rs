//! The tasks of links: dial, read, end.

use std::sync::Arc;

use damson_core::crdt::NodeId;
use damson_core::node::{Input, Lane as CoreLane, LinkId};

use super::Driver;
use crate::transport::{Lane, Link};

/// Frames that are handed to the node under one lock.
const FRAMES_AT_ONCE: usize = 64;

impl From<CoreLane> for Lane {
    fn from(lane: CoreLane) -> Self {
        match lane {
            CoreLane::Urgent => Self::Urgent,
            CoreLane::Bulk => Self::Bulk,
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
        Ok(link) => run(driver, link, Some(address)).await,
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
    let mut stopping = driver.stopping.subscribe();
    let id = {
        let mut state = driver.state.lock();
        let id = LinkId(state.next_link);
        state.next_link += 1;
        state.links.insert(id, link.sender);
        id
    };
    driver.input([Input::LinkUp { link: id, peer: NodeId(link.peer), dialed }]);
    let mut frames = Vec::with_capacity(FRAMES_AT_ONCE);
    loop {
        // What comes in is written to disk: a slow disk slows the reading, so that rows do not pile up in memory.
        driver.disk.has_room().await;
        let count = tokio::select! {
            count = link.incoming.recv_many(&mut frames, FRAMES_AT_ONCE) => count,
            _ = stopping.wait_for(|stop| *stop) => 0,
        };
        if count == 0 {
            break;
        }
        driver.input(frames.drain(..).map(|frame| Input::Frame { link: id, frame }));
    }
    driver.state.lock().links.remove(&id);
    driver.input([Input::LinkDown { link: id }]);
}
