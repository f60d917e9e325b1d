//! What datagram links have done so far.

use std::sync::atomic::AtomicU64;

/// Totals since the transport was made. Each only grows; read them with `Ordering::Relaxed`.
#[derive(Debug, Default)]
pub struct DatagramCounters {
    /// Messages that the application's `send` took.
    pub sent: AtomicU64,
    /// Messages that were dropped on their way to it, or that it said are lost.
    pub dropped: AtomicU64,
    /// Calls of `send` that said that nobody is there, or panicked.
    pub failed: AtomicU64,
    /// Pieces of streams that were sent once more, because no acknowledgement came in time.
    pub repeated: AtomicU64,
    /// Messages that were handed in and are none of ours.
    pub malformed: AtomicU64,
    /// Messages that were handed in for links that are not known: they have ended, or never were.
    pub stray: AtomicU64,
    /// Messages that were handed in and found no room.
    pub overflowed: AtomicU64,
    /// Links that peers have asked for and that were refused: by [`admit`](super::DatagramTransport::admit), or because there
    /// are too many.
    pub refused: AtomicU64,
    /// Links that ended because the peer answered nothing.
    pub silent: AtomicU64,
}
