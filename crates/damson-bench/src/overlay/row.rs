//! What is said of a protocol: one column of the table.

use std::collections::BTreeMap;

use serde::Serialize;

/// One column. Frames are counted from the first message to the end.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Row {
    /// Relative message redundancy: payload frames received for each delivery, less the one that it takes.
    pub rmr: f64,
    /// The last delivery hop of a message, the first hop being 1: its mean over all messages.
    pub last_hop_mean: f64,
    /// Its maximum over all messages.
    pub last_hop_max: u32,
    /// From a broadcast to its delivery at the last node that got it, in milliseconds: the mean over all messages.
    pub last_node_ms: f64,
    /// Frames by which the broadcast looks after itself, for each broadcast.
    pub control_per_broadcast: f64,
    /// The same for each delivery.
    pub control_per_delivery: f64,
    /// The same by kind, for each broadcast.
    pub control: BTreeMap<String, f64>,
    /// Deliveries within 10 seconds, in percent of what living nodes should have got.
    pub delivered_10s_pct: f64,
    /// Deliveries by the end, in percent.
    pub delivered_pct: f64,
    /// Neighbours of a node before anything was killed, the mean.
    pub degree_mean: f64,
    /// Nodes that live.
    pub survivors: u32,
    /// The largest part of them that hangs together by links that both ends list, in the end.
    pub connected: u32,
    /// Those outside it.
    pub stranded: u32,
}

impl Row {
    /// Every figure that can be compared, by name.
    pub fn figures(&self) -> [(&'static str, f64); 12] {
        [
            ("rmr", self.rmr),
            ("last_hop_mean", self.last_hop_mean),
            ("last_hop_max", self.last_hop_max.into()),
            ("last_node_ms", self.last_node_ms),
            ("control_per_broadcast", self.control_per_broadcast),
            ("control_per_delivery", self.control_per_delivery),
            ("delivered_10s_pct", self.delivered_10s_pct),
            ("delivered_pct", self.delivered_pct),
            ("degree_mean", self.degree_mean),
            ("survivors", self.survivors.into()),
            ("connected", self.connected.into()),
            ("stranded", self.stranded.into()),
        ]
    }

    /// This by another, figure by figure; nothing where the other is 0.
    pub fn ratios(&self, other: &Self) -> BTreeMap<&'static str, Option<f64>> {
        let both = self.figures().into_iter().zip(other.figures());
        both.map(|((name, a), (_, b))| (name, (b != 0.0).then(|| a / b))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_ours_by_theirs() {
        let ours = Row { rmr: 0.2, last_hop_max: 6, stranded: 0, ..Row::default() };
        let theirs = Row { rmr: 0.8, last_hop_max: 12, stranded: 0, ..Row::default() };
        let ratios = ours.ratios(&theirs);
        assert_eq!(
            (ratios["rmr"], ratios["last_hop_max"], ratios["stranded"]),
            (Some(0.25), Some(0.5), None)
        );
    }
}
