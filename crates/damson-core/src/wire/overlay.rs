//! What overlay neighbours, and those who want to become it, say to each other.

use damson_crdt::NodeId;
use minicbor::{Decode, Encode};

/// A node and where to dial it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
pub struct Contact {
    /// The node.
    #[n(0)]
    pub id: NodeId,
    /// Its address; empty when it cannot be dialled.
    #[n(1)]
    pub address: String,
}

/// An entry of a view, as it travels in a shuffle.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Aged {
    /// Who.
    #[n(0)]
    pub contact: Contact,
    /// Shuffle periods since it was known to live.
    #[n(1)]
    pub age: u16,
}

/// A message of the overlay (Leitao, Pereira, Rodrigues, "HyParView", DSN 2007, section 4).
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub enum OverlayMessage {
    /// The sender has no neighbours and wants some.
    #[n(0)]
    Join,
    /// A random walk for a node that wants neighbours.
    #[n(1)]
    ForwardJoin {
        /// Who wants them.
        #[n(0)]
        who: Contact,
        /// Hops that are left.
        #[n(1)]
        ttl: u8,
        /// Hops made.
        #[n(2)]
        hops: u8,
        /// The last node of the walk makes room for it. Otherwise only a node that has room takes it.
        #[n(3)]
        urgent: bool,
    },
    /// Be my neighbour, over this link.
    #[n(2)]
    Neighbor {
        /// Make room: I have no neighbour at all.
        #[n(0)]
        urgent: bool,
        /// The sender's neighbours: with one in common there would be a triangle.
        #[n(1)]
        neighbors: Vec<NodeId>,
    },
    /// The answer.
    #[n(3)]
    NeighborReply {
        /// From now on the link is one of the overlay.
        #[n(0)]
        accepted: bool,
        /// The sender's other neighbours.
        #[n(1)]
        neighbors: Vec<NodeId>,
    },
    /// The receiver is no neighbour of the sender (any more).
    #[n(4)]
    Disconnect {
        /// Who has taken its place, and has room for the receiver.
        #[n(0)]
        instead: Option<Contact>,
    },
    /// A random walk that exchanges parts of passive views.
    #[n(5)]
    Shuffle {
        /// Chosen by the origin; names the way back.
        #[n(0)]
        token: u64,
        /// Hops that are left.
        #[n(1)]
        ttl: u8,
        /// The origin, some of its neighbours and of its passive view.
        #[n(2)]
        sample: Vec<Aged>,
    },
    /// The answer, along the way back.
    #[n(6)]
    ShuffleReply {
        /// The shuffle's.
        #[n(0)]
        token: u64,
        /// As many entries of the last node's passive view.
        #[n(1)]
        sample: Vec<Aged>,
    },
}
