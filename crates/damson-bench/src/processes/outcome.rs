//! What came out.

use std::fmt::Write;

use serde::Serialize;

/// What came out. Times are in milliseconds; one that is absent did not come within the time allowed.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub nodes: u16,
    pub killed: u16,
    /// Was the process among the killed through which all had joined?
    pub contact_killed: bool,
    /// From the first start until every process saw all members.
    pub formed_ms: u64,
    /// From the kill until every survivor named all the killed as dead, and all survivors as alive.
    pub members_agree_ms: Option<u64>,
    /// From the kill until the digests of all survivors were equal; writes go on for the first second of it.
    pub state_agree_ms: Option<u64>,
    /// Writes acknowledged, before and after the kill.
    pub acked: usize,
    /// Those of them that some survivor lacks.
    pub missing: usize,
    /// Acknowledged by one of the killed, and on no survivor. The last write of each may have been on its disk only.
    pub missing_of_killed: usize,
    /// From the acknowledgement of a write at each survivor until all had all of them.
    pub goes_on_ms: Option<u64>,
    /// Links of a survivor in the end: the fewest and the most.
    pub degree_min: usize,
    pub degree_max: usize,
    /// Do the survivors hang together by links that they name?
    pub connected: bool,
    /// All of it, in seconds.
    pub wall_s: f64,
}

impl Outcome {
    /// Did all come that must?
    pub fn holds(&self) -> bool {
        let in_time = [self.members_agree_ms, self.state_agree_ms, self.goes_on_ms];
        in_time.iter().all(Option::is_some) && self.missing == self.missing_of_killed && self.connected
    }

    /// For people.
    pub fn text(&self) -> String {
        let shown = |ms: Option<u64>| ms.map_or_else(|| "never".into(), |ms| format!("{ms} ms"));
        let mut out = String::new();
        let mut line = |name: &str, value: String| _ = writeln!(out, "{name:<34} {value}");
        line("processes", format!("{}, {} killed with kill -9", self.nodes, self.killed));
        line("the contact of all", if self.contact_killed { "killed" } else { "survived" }.into());
        line("formed after", shown(Some(self.formed_ms)));
        line("survivors agree on members after", shown(self.members_agree_ms));
        line("survivors agree on state after", shown(self.state_agree_ms));
        line("acknowledged writes", self.acked.to_string());
        line("missing", format!("{}, {} of them only at a killed", self.missing, self.missing_of_killed));
        line("later writes are everywhere after", shown(self.goes_on_ms));
        line("links of a survivor", format!("{} to {}", self.degree_min, self.degree_max));
        line("survivors hang together", self.connected.to_string());
        line("wall time", format!("{:.1} s", self.wall_s));
        line("verdict", if self.holds() { "held" } else { "VIOLATED" }.into());
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn good() -> Outcome {
        Outcome {
            nodes: 30,
            killed: 15,
            contact_killed: true,
            formed_ms: 9_000,
            members_agree_ms: Some(5_000),
            state_agree_ms: Some(1_500),
            acked: 900,
            missing: 1,
            missing_of_killed: 1,
            goes_on_ms: Some(40),
            degree_min: 3,
            degree_max: 6,
            connected: true,
            wall_s: 30.0,
        }
    }

    #[test]
    fn only_a_write_that_the_killed_took_along_may_be_missing() {
        assert!(good().holds());
        assert!(!Outcome { missing: 2, ..good() }.holds());
        assert!(!Outcome { members_agree_ms: None, ..good() }.holds());
        assert!(!Outcome { connected: false, ..good() }.holds());
        assert!(Outcome { goes_on_ms: None, ..good() }.text().contains("VIOLATED"));
    }
}
