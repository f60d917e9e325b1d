//! Addresses to join through, named while the node runs.

use damson_core::crdt::NodeId;

use crate::discovery::check_address;
use crate::node::Node;

/// An address that is dialled until a member answers there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Where.
    pub address: String,
    /// Who is there, if somebody has answered or a member has this address; the node itself where it is its own.
    pub node: Option<NodeId>,
    /// Is there an open link to it?
    pub linked: bool,
}

/// An address that was not taken as a peer's. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PeerError {
    /// It is no address.
    #[error("{address:?} is no address of a peer: {reason}")]
    Address {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// There are too many already.
    #[error("the limit of {limit} named peers is reached")]
    TooMany {
        /// The limit, [`DialConfig::contacts_max`](crate::DialConfig::contacts_max).
        limit: usize,
    },
}

impl Node {
    /// Adds an address to join through, as [`NodeBuilder::join`](crate::NodeBuilder::join) does before the start: it is
    /// dialled at once where the node wants a link, and again until a member answers. True when it is new.
    ///
    /// # Errors
    /// [`PeerError`].
    pub fn add_peer(&self, address: impl Into<String>) -> Result<bool, PeerError> {
        let address = address.into();
        if let Err(reason) = check_address(&address, self.is_any_address()) {
            return Err(PeerError::Address { address, reason });
        }
        let added = self.driver().change(|node, _, _| node.add_contact(address));
        added.map_err(|limit| PeerError::TooMany { limit })
    }

    /// Dials an address no longer as a peer's. False when it was none, or is one that a name or a file lists: that goes when
    /// it is listed no longer. A member that lives there stays a member, and its link stays open: see [`Node::forget`] and
    /// [`NodeBuilder::allow_nodes`](crate::NodeBuilder::allow_nodes).
    pub fn remove_peer(&self, address: &str) -> bool {
        self.driver().change(|node, now, fx| node.remove_contact(address, now, fx))
    }

    /// All addresses to join through: those that were named, and those that names and files list.
    pub fn peers(&self) -> Vec<Peer> {
        self.driver().look(|node, _| {
            let peer = |(address, id): (&str, Option<NodeId>)| Peer {
                address: address.into(),
                node: id,
                linked: id.is_some_and(|id| node.is_linked(id)),
            };
            node.contacts().map(peer).collect()
        })
    }
}
