//! Was anything lost, did anything return, and do all agree?

use std::time::Duration;

use damson::{Node, Slot};
use serde_json::json;

use super::cluster::Cluster;
use super::load::Written;

/// The outcome.
pub struct Verdict {
    nodes: usize,
    acked: u64,
    lost: u64,
    resurrected: u64,
    converged: bool,
    after_heal: Option<Duration>,
}

/// Compares every node with what was acknowledged.
pub fn judge(cluster: &Cluster, written: &Written, after_heal: Option<Duration>) -> Verdict {
    let each = cluster.nodes.iter().map(|node| compare(node, written));
    let (lost, resurrected) = each.fold((0, 0), |(l, r), (lost, back)| (l + lost, r + back));
    Verdict {
        nodes: cluster.nodes.len(),
        acked: written.acked,
        lost,
        resurrected,
        converged: after_heal.is_some(),
        after_heal,
    }
}

fn compare(node: &Node, written: &Written) -> (u64, u64) {
    node.scope("default").expect("a sound name").read(|view| {
        let text = |key: &str| view.text(&Slot::key(key.to_string()));
        let set = Slot::key("demo:set");
        let strings =
            written.strings.iter().filter(|(key, value)| text(key).is_none_or(|have| have != value.as_str()));
        let missing = written.present.iter().filter(|element| !view.set_contains(&set, element.as_bytes()));
        let back = written.removed.iter().filter(|element| view.set_contains(&set, element.as_bytes()));
        let counted = view.counter(&Slot::key("demo:count")).unwrap_or(0);
        let lost = strings.count() + missing.count();
        (lost as u64 + counted.abs_diff(written.counted), back.count() as u64)
    })
}

impl Verdict {
    /// Does the outcome hold what Damson promises?
    pub fn holds(&self) -> bool {
        self.converged && self.lost == 0 && self.resurrected == 0
    }

    /// For people.
    pub fn sentence(&self) -> String {
        let agree = match self.after_heal {
            Some(after) => format!("all {} nodes agree {} ms after the heal", self.nodes, after.as_millis()),
            None => format!("the {} nodes do not agree", self.nodes),
        };
        format!(
            "{agree}; {} writes acknowledged, {} lost, {} returned",
            self.acked, self.lost, self.resurrected
        )
    }

    /// For machines.
    pub fn json(&self) -> serde_json::Value {
        json!({
            "nodes": self.nodes,
            "writes_acked": self.acked,
            "lost": self.lost,
            "resurrected": self.resurrected,
            "converged": self.converged,
            "converge_after_heal_ms": self.after_heal.map(|after| u64::try_from(after.as_millis()).unwrap_or(u64::MAX)),
        })
    }
}
