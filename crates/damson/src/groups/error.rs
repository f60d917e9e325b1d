//! What can go wrong with groups.

use bytes::Bytes;

use crate::publisher::PublisherError;

/// A change of groups that was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The name of a group or of a member is too long.
    #[error("a name of {len} bytes is over the limit of {max}")]
    NameTooLong {
        /// Its length in bytes.
        len: usize,
        /// The longest permitted.
        max: usize,
    },
    /// The member has not joined the group, or has left it as often as it joined.
    #[error("the member is not in the group {}", group.escape_ascii())]
    NotJoined {
        /// The group.
        group: Bytes,
    },
    /// The member has joined as many groups as it can.
    #[error("the member has joined {limit} times, which is the limit")]
    TooManyJoins {
        /// How often one can.
        limit: usize,
    },
    /// It could not be published.
    #[error(transparent)]
    Publisher(#[from] PublisherError),
}
