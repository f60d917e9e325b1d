//! The intervals of a gossip protocol, as configuration of the node's anti-entropy.

use std::time::Duration;

use crate::builder::NodeBuilder;

/// Longest interval, in milliseconds: 34 years. A longer one is taken for it.
const INTERVAL_MS_MAX: u64 = 1 << 40;

/// How often, and with how many, nodes gossip.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GossipConfig {
    /// Own writes gather for so long, jittered by a quarter in both directions, before they are pushed; sooner when many have
    /// gathered, or somebody waits for others. Default 1 ms: then they leave as soon as links are idle.
    pub push_interval: Duration,
    /// A round of anti-entropy begins about this often, jittered by a quarter in both directions. Default one second.
    pub anti_entropy_interval: Duration,
    /// Members with whom such a round is. Default 1.
    pub fanout: usize,
}

/// A configuration that was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gossip's {what} is zero: {reason}")]
pub struct GossipConfigError {
    /// Which field.
    pub what: &'static str,
    /// Why.
    pub reason: &'static str,
}

impl GossipConfig {
    /// The numbers of the gossip protocol that this store is after: one second, thirty seconds, three.
    pub fn seed() -> Self {
        Self {
            push_interval: Duration::from_secs(1),
            anti_entropy_interval: Duration::from_secs(30),
            fanout: 3,
        }
    }

    pub(crate) fn check(&self) -> Result<(), GossipConfigError> {
        let refused = |what, reason| Err(GossipConfigError { what, reason });
        match self {
            Self { push_interval: Duration::ZERO, .. } => {
                refused("push_interval", "what is written leaves after a millisecond at the soonest")
            }
            Self { anti_entropy_interval: Duration::ZERO, .. } => {
                refused("anti_entropy_interval", "rounds would follow one another without a pause")
            }
            Self { fanout: 0, .. } => refused("fanout", "a round would be with nobody"),
            _ => Ok(()),
        }
    }
}

impl Default for GossipConfig {
    fn default() -> Self {
        Self {
            push_interval: Duration::from_millis(1),
            anti_entropy_interval: Duration::from_secs(1),
            fanout: 1,
        }
    }
}

impl NodeBuilder {
    /// How often, and with how many, the node gossips: sets the same as
    /// [`SyncConfig::interval_ms`](crate::SyncConfig::interval_ms) and [`SyncConfig::fanout`](crate::SyncConfig::fanout); of
    /// this and [`NodeBuilder::anti_entropy`] the later counts. Zero is refused at the start, with the reason.
    #[must_use]
    pub fn gossip(mut self, config: GossipConfig) -> Self {
        let in_ms = |interval: Duration| {
            u64::try_from(interval.as_millis()).unwrap_or(u64::MAX).clamp(1, INTERVAL_MS_MAX)
        };
        self.gossip = config;
        self.config.broadcast.gather_ms = in_ms(config.push_interval);
        self.config.sync.interval_ms = in_ms(config.anti_entropy_interval);
        self.config.sync.fanout = config.fanout;
        self
    }
}
