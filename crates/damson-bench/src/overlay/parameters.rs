//! What is measured: the same for both columns.

use std::str::FromStr;

use anyhow::ensure;
use clap::ValueEnum;
use serde::{Serialize, Serializer};

use crate::args::Overlay;

/// When survivors learn that a node has died. Before, what they send it vanishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detect {
    /// At once.
    Instant,
    /// After this many milliseconds.
    After(u64),
}

/// Does the peer's state machine hear of dials that fail?
///
/// Much hangs on it. Told before its own timer of half a second goes off, it takes the other node out of its passive view and,
/// since no request is pending any more, tries no further one. Its own network layer tells it, but a transport that takes
/// longer to give up a dial tells it later than that; the simulator in its sources tells it nothing. Look at both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Dials {
    /// It is told `PeerDisconnected`.
    Told,
    /// It hears nothing, and its own timer goes off.
    Silent,
}

/// The experiment.
#[derive(Debug, Clone, Serialize)]
pub struct Parameters {
    pub nodes: u32,
    pub seed: u64,
    /// The shortest and the longest delay of a pair of nodes, in milliseconds.
    pub delay_ms: (u64, u64),
    /// The time between two joins, in milliseconds.
    pub join_ms: u64,
    /// From the last join to the first message, in seconds.
    pub settle_s: u64,
    pub messages: u32,
    /// Messages in a second.
    pub rate: f64,
    /// How many nodes are killed.
    pub killed: u32,
    pub detect: Detect,
    pub dials: Dials,
}

/// Of a message.
#[cfg_attr(not(feature = "peers"), expect(dead_code, reason = "only the peer's column is fed from here"))]
pub const PAYLOAD_BYTES: usize = 100;

impl Parameters {
    /// Fails when fewer than two nodes would survive.
    pub fn of(args: &Overlay) -> anyhow::Result<Self> {
        let killed = args.nodes * args.kill / 100;
        ensure!(args.nodes - killed >= 2, "{killed} of {} nodes killed: at least 2 must survive", args.nodes);
        Ok(Self {
            nodes: args.nodes,
            seed: args.seed,
            delay_ms: args.delay_ms,
            join_ms: args.join_ms,
            settle_s: args.settle_s,
            messages: args.messages,
            rate: args.rate,
            killed,
            detect: args.detect,
            dials: args.dials,
        })
    }
}

impl Serialize for Detect {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Instant => serializer.serialize_str("instant"),
            Self::After(ms) => serializer.serialize_u64(*ms),
        }
    }
}

impl FromStr for Detect {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let ms = text.parse().ok().filter(|ms| *ms <= 3_600_000).map(Self::After);
        let instant = (text == "instant").then_some(Self::Instant);
        instant
            .or(ms)
            .ok_or_else(|| format!("{text:?} is neither instant nor a number of milliseconds up to an hour"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn detection_is_read() {
        assert_eq!("instant".parse(), Ok(Detect::Instant));
        assert_eq!("10000".parse(), Ok(Detect::After(10_000)));
        assert!("soon".parse::<Detect>().is_err() && "3600001".parse::<Detect>().is_err());
    }
}
