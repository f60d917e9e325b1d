//! What can go wrong with publishers.

use damson_core::replica::WriteError;

use crate::replica::InstanceError;
use crate::supervise::Failed;

/// A publisher that could not be started, or an update that could not be published. The data are as they were.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PublisherError {
    /// Its name, its thread, or a panic in it.
    #[error(transparent)]
    Instance(#[from] InstanceError),
    /// The records could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// What was to be published cannot be said in the version that everybody understands.
    #[error("this cannot be said in version {version}, which a member needs that takes part")]
    Inexpressible {
        /// The version.
        version: u16,
    },
    /// The node runs as many publishers as its record in the roster can name.
    #[error("this node runs too many publishers")]
    TooMany,
}

impl From<Failed> for PublisherError {
    fn from(failed: Failed) -> Self {
        Self::Instance(failed.into())
    }
}
