//! Why a node is not trusted.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use damson_core::crdt::NodeId;

use super::file::PINS_MAX;

/// Why there is no link to a node under trust on first use, or no node at all when it is said at the start. The file was left
/// as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// Another node answered at this address before. Nothing was sent to the one that is there now, and nothing of it was taken.
    #[error(
        "at {address} is node {found}, and {} says {pinned}: if the node there was replaced on purpose, or has a new key, \
         remove the line of {address} from that file (no restart is needed); otherwise somebody else answers there",
        path.display()
    )]
    AnotherNode {
        /// The address that was dialled, or that the peer advertises.
        address: String,
        /// Who answered there first.
        pinned: NodeId,
        /// Who is there now.
        found: NodeId,
        /// The file.
        path: PathBuf,
    },
    /// A peer called that does not say where it listens, and has answered at no address yet. Nothing of it was taken.
    #[error(
        "node {node} does not say where it listens, and {} does not know it: have it advertise its address",
        path.display()
    )]
    NoAddress {
        /// Who called.
        node: NodeId,
        /// The file.
        path: PathBuf,
    },
    /// An address that does not fit into a line of the file.
    #[error("{address:?} cannot be written into {}: {reason}", path.display())]
    Address {
        /// The address that was dialled.
        address: String,
        /// What is wrong with it.
        reason: &'static str,
        /// The file.
        path: PathBuf,
    },
    /// The file holds as many pins as it may.
    #[error("{} is full, it has {PINS_MAX} lines or all the bytes it may have: remove what is out of date", path.display())]
    Full {
        /// The file.
        path: PathBuf,
    },
    /// The file is no list of addresses and node ids.
    #[error(
        "line {line} of {} {reason}; it was left untouched: mend or remove the line, as `ADDRESS NODE-ID` or `# comment`",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The file could not be read.
    #[error("cannot read {}: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: String,
    },
    /// The file could not be written; the one that was there stays.
    #[error("cannot write {}: {cause}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        cause: String,
    },
}

impl TrustError {
    pub(super) fn unread(path: &Path, cause: &impl Display) -> TrustError {
        TrustError::Read { path: path.into(), cause: cause.to_string() }
    }

    /// The address in question, if it is about one.
    pub fn address(&self) -> Option<&str> {
        match self {
            Self::AnotherNode { address, .. } | Self::Address { address, .. } => Some(address),
            _ => None,
        }
    }
}
