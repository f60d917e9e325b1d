//! What can go wrong at the start and at the stop of a node.

use std::path::PathBuf;

use damson_store::StoreError;

use crate::given::GivenPeersError;
use crate::gossip::GossipConfigError;
use crate::identity::IdentityError;
use crate::transport::TransportError;
use crate::trust::TrustError;

/// A node that could not be started. Nothing runs, nothing was written but what the variant says.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The data directory: taken by another process, unreadable, of a newer format.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What is stored is damaged, and no contact is named from which it could be taken. Nothing was changed.
    #[error(
        "{} is damaged: {what}. If there are other members, name one (--join) and all is taken from there; if this was the only \
         one, what is left of it can be kept with --accept-loss, and the damaged files are set aside. Nothing was changed",
        path.display()
    )]
    Damaged {
        /// The data directory.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
    /// What a store of the application's holds ([`NodeBuilder::store`](crate::NodeBuilder::store)) is damaged. Nothing was changed.
    #[error(
        "what the given store holds is damaged: {what}. Keep it as evidence and give the node an empty store: it takes everything \
         from the other members then. Nothing was changed"
    )]
    DamagedStore {
        /// What is wrong, and where.
        what: String,
    },
    /// The other members have forgotten the node whose rows a store of the application's holds. Nothing was changed.
    #[error(
        "the other members have forgotten this one, and what the given store holds must not come back: give the node an empty store"
    )]
    ForgottenStore,
    /// Two things were given of which there can be one only.
    #[error("{first} and {second} were both given, and only one of them can be")]
    Both {
        /// One of them, by the builder's method.
        first: &'static str,
        /// The other.
        second: &'static str,
    },
    /// A value of the configuration is out of its range.
    #[error("configuration: {field} {reason}")]
    Config {
        /// Its name.
        field: &'static str,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The identity in the data directory.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The listening address: taken, or not ours.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// The file of those who were trusted on first use.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// Others could join without proving anything.
    #[error(
        "{address} is reachable from other machines, and nothing says who may join: configure a cluster secret, \
         or listen on a loopback address such as 127.0.0.1"
    )]
    Unsecured {
        /// The listening address.
        address: String,
    },
    /// A name of contacts that is no name and port.
    #[error(
        "{name:?} is no name of contacts: {reason}; write the name and the port on which the members listen, such as \
         damson.example.org:7400"
    )]
    ContactName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An interval or a fanout of zero.
    #[error(transparent)]
    Gossip(#[from] GossipConfigError),
    /// Neighbours that cannot be what they were given as.
    #[error("the given peers: {0}")]
    GivenPeers(#[from] GivenPeersError),
    /// A name or realm that is empty or too long.
    #[error("{what} must have 1 to {max} bytes, it has {len}")]
    Label {
        /// Which.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The longest permitted.
        max: usize,
    },
}

/// A stop that was not clean. Everything acknowledged is as durable as its scope asked; the next start is a new life.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StopError {
    /// The disk has failed.
    #[error("the stop was not clean, storage has failed: {cause}")]
    Storage {
        /// What the disk said.
        cause: String,
    },
}
