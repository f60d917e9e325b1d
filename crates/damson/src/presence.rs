//! Which members take part, and what they run, by comparing: an event only says when to look.

use std::collections::BTreeSet;
use std::sync::Arc;

use damson_core::crdt::NodeId;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::Event;
use crate::driver::Driver;

/// The members that take part, as they were when this was last asked.
pub(crate) struct Presence {
    driver: Arc<Driver>,
    events: Receiver<Event>,
    present: BTreeSet<NodeId>,
}

impl Presence {
    /// Begins with those that take part now.
    pub fn new(driver: &Arc<Driver>) -> Self {
        // In this order: what changes in between is an event.
        let events = driver.events();
        Self { driver: driver.clone(), events, present: present(driver) }
    }

    /// Waits until it may have changed, and says who takes part no more. Never ends once the node has.
    pub async fn moved(&mut self) -> Vec<NodeId> {
        loop {
            match self.events.recv().await {
                // A missed event is no harm: what is so is compared.
                Ok(Event::Member { .. } | Event::Runs { .. }) | Err(RecvError::Lagged(_)) => break,
                Ok(_) => {}
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
        let now = present(&self.driver);
        let before = std::mem::replace(&mut self.present, now);
        before.difference(&self.present).copied().collect()
    }
}

fn present(driver: &Driver) -> BTreeSet<NodeId> {
    driver.look(|node, _| {
        let members = node.roster().iter().filter(|member| member.state.is_present());
        members.map(|member| member.id).chain([node.id()]).collect()
    })
}
