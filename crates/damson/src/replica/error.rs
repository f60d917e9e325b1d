//! What can go wrong with instances.

use std::time::Duration;

use damson_core::scope::{ScopeName, ScopeNameError};

use crate::casts::NameError;
use crate::supervise::Failed;

/// An instance that could not be started, or not be asked. The entries of the scope are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InstanceError {
    /// The name is no scope name, or one of the system's.
    #[error(transparent)]
    Name(#[from] ScopeNameError),
    /// The name is a scope's, but too long for the payloads of an instance.
    #[error(transparent)]
    Tag(#[from] NameError),
    /// An instance of this name runs on this node.
    #[error("an instance named {name} runs on this node already")]
    NameTaken {
        /// The name.
        name: ScopeName,
    },
    /// The node keeps other scopes only.
    #[error("this node does not host the scope {name}")]
    NotHosted {
        /// The name.
        name: ScopeName,
    },
    /// The system starts no more threads.
    #[error("no thread for the instance: {0}")]
    Thread(#[from] std::io::Error),
    /// The implementation has panicked. It is made anew and told everything.
    #[error("the implementation has panicked, and is made anew")]
    Panicked,
    /// The implementation has not got to it in time. What was asked may still be done.
    #[error("the implementation has not answered within {} ms", waited.as_millis())]
    TimedOut {
        /// How long was waited.
        waited: Duration,
    },
    /// The instance or the node was stopped, or the implementation has panicked so often that it was given up.
    #[error("the instance has ended")]
    Ended,
}

impl From<Failed> for InstanceError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Panicked => Self::Panicked,
            Failed::Gone => Self::Ended,
        }
    }
}
