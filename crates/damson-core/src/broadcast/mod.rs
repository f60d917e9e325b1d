//! How a new delta reaches the other members at once.
//!
//! In a small cluster all members are linked, and the author pushes directly to each that hosts the scope: every payload
//! crosses one link once, and nobody forwards. Larger clusters will broadcast along trees behind this same seam. What a
//! push misses, anti-entropy brings. Payloads are opaque here.

use damson_crdt::NodeId;

/// To whom a payload goes.
#[derive(Debug, Default)]
pub struct Broadcast {
    pushed: u64,
}

impl Broadcast {
    /// The peers to which an own delta is pushed: all that are linked and host its scope.
    pub fn eager<'a>(
        &'a mut self,
        linked: impl Iterator<Item = NodeId> + 'a,
        hosts: impl Fn(NodeId) -> bool + 'a,
    ) -> impl Iterator<Item = NodeId> + 'a {
        linked.filter(move |peer| hosts(*peer)).inspect(|_| self.pushed += 1)
    }

    /// Payloads pushed since the start, counted for each peer.
    pub fn pushed(&self) -> u64 {
        self.pushed
    }
}
