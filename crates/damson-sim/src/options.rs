//! What to simulate.

use damson_crdt::Rule;

/// What to simulate. The same options give the same run, byte for byte.
#[derive(Debug, Clone)]
pub struct ClusterOptions {
    /// How many nodes. Default 5, at least 2: enough for majorities, chains and dead members.
    pub nodes: usize,
    /// How long, in virtual minutes. Default 10; the time to heal at the end comes on top. Every kind of accident comes
    /// about once in six minutes.
    pub minutes: u64,
    /// All chance comes from this. Default 1.
    pub seed: u64,
    /// A rule of the replica that is broken on purpose. Default none.
    pub break_rule: Option<Rule>,
    /// How often the state of all nodes is held against what was written, in virtual milliseconds. Default 2,000.
    pub check_ms: u64,
    /// The run ends after the situation in which this many violations were found, without a heal. Default none: it runs
    /// to its end.
    pub violations_max: Option<u64>,
    /// Violations whose texts are kept; all are counted. Default 20.
    pub texts_max: usize,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            nodes: 5,
            minutes: 10,
            seed: 1,
            break_rule: None,
            check_ms: 2_000,
            violations_max: None,
            texts_max: 20,
        }
    }
}

impl ClusterOptions {
    /// The command that runs the same again.
    pub fn command(&self) -> String {
        let Self { nodes, minutes, seed, .. } = self;
        let broken = self.break_rule.map(|rule| format!(" --break {}", rule.name())).unwrap_or_default();
        format!("damson sim cluster --nodes {nodes} --minutes {minutes} --seed {seed}{broken}")
    }
}
