//! What datagram links may hold, and how long they wait.

use std::time::Duration;

use super::message::{MESSAGE_BYTES_LIMIT, OVERHEAD_BYTES};
use crate::transport::{LinkLimits, TransportError};

/// Shortest permitted `message_bytes_max`: below, most of a message would be its head.
const MESSAGE_BYTES_MIN: usize = 4 * OVERHEAD_BYTES;

/// Longest permitted `silence_max`.
const SILENCE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Sizes and times of a [`DatagramTransport`](super::DatagramTransport). Besides what `link` allows, a link holds 64 messages in each
/// direction, and the queues to and from the application 128 each.
#[derive(Clone, Debug)]
pub struct DatagramLimits {
    /// What each link may hold, and the longest frame; frames of any length are cut into messages.
    pub link: LinkLimits,
    /// Longest message that is sent, in bytes; 208 to 65,536. Larger ones cost less for each byte, and more where the
    /// network has to divide them. Default 1,200: what any path on the internet carries whole, as in QUIC. Nodes need not have the same.
    pub message_bytes_max: usize,
    /// Links and dials at once. Above, dials fail and links are refused. Also the most threads for `send`. Default 1,024 (a guess).
    pub links_max: usize,
    /// How long a dial waits for an answer. Default 5 s.
    pub dial_timeout: Duration,
    /// A link ends when nothing that it sent was answered for so long. Default 5 s: a node's own failure detection is sooner.
    pub silence_max: Duration,
}

impl Default for DatagramLimits {
    fn default() -> Self {
        Self {
            link: LinkLimits::default(),
            message_bytes_max: 1_200,
            links_max: 1_024,
            dial_timeout: Duration::from_secs(5),
            silence_max: Duration::from_secs(5),
        }
    }
}

impl DatagramLimits {
    pub(super) fn validate(&self) -> Result<(), TransportError> {
        let wrong = |field, reason| Err(TransportError::Config { field, reason });
        if !(MESSAGE_BYTES_MIN..=MESSAGE_BYTES_LIMIT).contains(&self.message_bytes_max) {
            return wrong("message_bytes_max", "must be between 208 and 65536");
        }
        if self.links_max == 0 {
            return wrong("links_max", "must be at least 1");
        }
        if self.dial_timeout.is_zero() {
            return wrong("dial_timeout", "must not be zero, or no dial could succeed");
        }
        if self.silence_max.is_zero() || self.silence_max > SILENCE_MAX {
            return wrong("silence_max", "must not be zero, or no link could live, nor above a day");
        }
        self.link.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_make_no_sense_are_named() {
        let named = |change: fn(&mut DatagramLimits)| {
            let mut limits = DatagramLimits::default();
            change(&mut limits);
            match limits.validate() {
                Err(TransportError::Config { field, .. }) => field,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(MESSAGE_BYTES_MIN, 208);
        assert_eq!(named(|limits| limits.message_bytes_max = 207), "message_bytes_max");
        assert_eq!(named(|limits| limits.message_bytes_max = 65_537), "message_bytes_max");
        assert_eq!(named(|limits| limits.links_max = 0), "links_max");
        assert_eq!(named(|limits| limits.dial_timeout = Duration::ZERO), "dial_timeout");
        assert_eq!(named(|limits| limits.silence_max = Duration::ZERO), "silence_max");
        assert_eq!(named(|limits| limits.silence_max = Duration::MAX), "silence_max");
        assert_eq!(named(|limits| limits.link.frame_bytes_max = 0), "frame_bytes_max");
    }
}
