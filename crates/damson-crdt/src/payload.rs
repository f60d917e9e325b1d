//! What a live dot says.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::path::Leaf;

/// A running total of one actor, named by the number of the operation that began it.
pub type Epoch = u64;

/// What resets have taken away of a running total: the number of the newest operation they saw, and its total.
pub type Taken = (u64, i64);

/// Larger values are shared and not copied when they are kept.
const DETACHED_BYTES_MAX: usize = 4_096;

/// What a live dot says. Which variants may stand in a cell depends on its [`Leaf`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Payload {
    /// A value, with the time when it ends (milliseconds since 1970), if it does.
    Value {
        /// The bytes.
        bytes: Bytes,
        /// When it becomes invisible.
        expires_ms: Option<u64>,
    },
    /// An element that is in its set.
    Present,
    /// The state of a flag.
    Flag(bool),
    /// A number of a register that keeps the greatest.
    Max(i64),
    /// The time-to-live of a key: when it ends, or that it does not.
    Expires(Option<u64>),
    /// An actor's running total.
    Total {
        /// Which running total it is.
        epoch: Epoch,
        /// The total.
        n: i64,
        /// What resets that the actor knew of had taken away.
        base: Taken,
    },
    /// The trace of resets in another actor's counter cell: what they saw there of each running total.
    Seen(BTreeMap<Epoch, Taken>),
}

impl Payload {
    /// A value that does not end.
    pub fn value(bytes: impl Into<Bytes>) -> Self {
        Self::Value { bytes: bytes.into(), expires_ms: None }
    }

    /// The same, to be kept: a small value gets memory of its own, so that it does not hold on to what it came with.
    #[must_use]
    pub fn detached(&self) -> Self {
        match self {
            Self::Value { bytes, expires_ms } if bytes.len() <= DETACHED_BYTES_MAX => {
                Self::Value { bytes: Bytes::copy_from_slice(bytes), expires_ms: *expires_ms }
            }
            other => other.clone(),
        }
    }

    /// May this stand in such a cell?
    pub fn fits(&self, leaf: Leaf<'_>) -> bool {
        match leaf {
            Leaf::Register | Leaf::Multi | Leaf::Text => matches!(self, Self::Value { .. }),
            Leaf::Element(_) => matches!(self, Self::Present),
            Leaf::EnableWins | Leaf::DisableWins => matches!(self, Self::Flag(_)),
            Leaf::Max => matches!(self, Self::Max(_)),
            Leaf::Expiry => matches!(self, Self::Expires(_)),
            Leaf::Count(_) | Leaf::TextCount(_) => matches!(self, Self::Total { .. } | Self::Seen(_)),
        }
    }

    /// Bytes of user data in it.
    pub fn user_bytes(&self) -> usize {
        match self {
            Self::Value { bytes, .. } => bytes.len(),
            _ => 0,
        }
    }

    /// Does it make its key exist? A time-to-live and the trace of a reset do not.
    pub fn is_substance(&self) -> bool {
        !matches!(self, Self::Expires(_) | Self::Seen(_))
    }
}
