//! What a transport has done so far, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

use super::TransportError;

/// Totals since the transport was started. Each only grows; read them with `Ordering::Relaxed`.
#[derive(Debug, Default)]
pub struct TransportCounters {
    /// Inbound links that passed every check.
    pub accepted: AtomicU64,
    /// Outbound links that passed every check.
    pub dialed: AtomicU64,
    /// Inbound connections refused because TLS or the connection failed (strangers, scanners, other protocols).
    pub refused_handshake: AtomicU64,
    /// Inbound connections refused because the handshake took too long.
    pub refused_timeout: AtomicU64,
    /// Inbound connections closed in their handshake because newer ones needed the place.
    pub refused_crowded: AtomicU64,
    /// Inbound connections refused because the cluster secret was wrong or missing on one side.
    pub refused_secret: AtomicU64,
    /// Inbound connections refused because one side does not list the other.
    pub refused_not_allowed: AtomicU64,
    /// Links ended because the peer announced a frame above `frame_bytes_max`.
    pub oversized: AtomicU64,
    /// Bytes received on links, with framing, without TLS.
    pub bytes_in: AtomicU64,
    /// Bytes sent on links, with framing, without TLS.
    pub bytes_out: AtomicU64,
    /// Frames received.
    pub frames_in: AtomicU64,
    /// Frames sent.
    pub frames_out: AtomicU64,
}

impl TransportCounters {
    /// Counts an inbound connection that became no link, by its cause.
    pub(super) fn refused(&self, error: &TransportError) {
        let counter = match error {
            TransportError::Timeout { .. } => &self.refused_timeout,
            TransportError::WrongSecret { .. }
            | TransportError::NoSecretHere { .. }
            | TransportError::NoSecretThere { .. } => &self.refused_secret,
            TransportError::NotAllowedHere { .. } | TransportError::NotAllowedThere { .. } => {
                &self.refused_not_allowed
            }
            _ => &self.refused_handshake,
        };
        add(counter, 1);
    }
}

/// Counters order nothing, so relaxed is enough.
pub(super) fn add(counter: &AtomicU64, amount: usize) {
    counter.fetch_add(amount as u64, Ordering::Relaxed);
}
