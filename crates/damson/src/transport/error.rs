//! Why a link was not made, or a transport not started.

use std::{io, time::Duration};

/// Why there is no link, or no transport. In every case nothing is left behind: sockets are closed, queues are freed,
/// and other links are not touched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// A value of the configuration is out of its range; nothing was started.
    #[error("transport configuration: {field} {reason}")]
    Config {
        /// The field's name.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The listening address could not be taken (most often another process has it); nothing was started.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address as configured.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// No connection came about: the name does not resolve, or nobody listens there, or the network is cut.
    #[error("cannot connect to {address}: {source}")]
    Connect {
        /// The address that was dialled.
        address: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The peer did not finish a step in time; the connection was closed.
    #[error("{address} did not finish the {step} within {limit:?}")]
    Timeout {
        /// The peer's address.
        address: String,
        /// `connection` or `handshake`.
        step: &'static str,
        /// The configured limit.
        limit: Duration,
    },
    /// The connection failed during the handshake, or what is there does not speak our TLS; it was closed.
    #[error("handshake with {address} failed: {source}")]
    Handshake {
        /// The peer's address.
        address: String,
        /// What TLS or the operating system said.
        source: io::Error,
    },
    /// Both sides have cluster secrets, and no secret of one is valid at the other; refused on both sides.
    #[error("{address} refused: wrong cluster secret")]
    WrongSecret {
        /// The peer's address.
        address: String,
    },
    /// The peer has a cluster secret and this node has none; refused on both sides.
    #[error("{address} refused: it has a cluster secret, and this node is configured without one")]
    NoSecretHere {
        /// The peer's address.
        address: String,
    },
    /// This node has a cluster secret and the peer has none; refused on both sides.
    #[error("{address} refused: this node has a cluster secret, and the peer is configured without one")]
    NoSecretThere {
        /// The peer's address.
        address: String,
    },
    /// The peer proved its id, and the id is not on this node's list; refused on both sides.
    #[error("{address} refused: node {peer} is not on the list of allowed nodes")]
    NotAllowedHere {
        /// The peer's address.
        address: String,
        /// The peer's node id in hexadecimal.
        peer: String,
    },
    /// This node's id is not on the peer's list; refused on both sides.
    #[error("{address} refused: this node is not on the peer's list of allowed nodes")]
    NotAllowedThere {
        /// The peer's address.
        address: String,
    },
    /// The transport has ended and gives no more links; links that exist go on.
    #[error("the transport has ended")]
    Closed,
}

impl TransportError {
    /// Did one of both sides refuse the other? Trying again will not help until a configuration changes.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::WrongSecret { .. }
                | Self::NoSecretHere { .. }
                | Self::NoSecretThere { .. }
                | Self::NotAllowedHere { .. }
                | Self::NotAllowedThere { .. }
        )
    }
}
