//! What can go wrong at the start and at the stop of a node.

use std::path::PathBuf;

use damson_store::StoreError;

use crate::gossip::GossipConfigError;
use crate::identity::IdentityError;
use crate::transport::TransportError;

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
    /// The identity in the data directory.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The listening address: taken, or not ours.
    #[error(transparent)]
    Transport(#[from] TransportError),
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
