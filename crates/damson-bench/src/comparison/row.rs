//! One figure of both.

use serde_json::{Value, json};

/// A figure, or why there is none.
pub type Measured = Result<f64, String>;

/// Said of every peer in a build without them.
pub const NOT_BUILT: &str = "not built: run it with --features peers";

/// What both took in one run.
pub type Pair = (f64, Measured);

/// Which of two figures is the better one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Of times and bytes.
    Less,
    /// Of rates.
    More,
}

/// One figure of both.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// What it is, with its unit.
    pub name: &'static str,
    /// Who stands beside Damson.
    pub peer: &'static str,
    pub damson: f64,
    pub theirs: Measured,
    /// How many times better Damson is.
    pub times: Option<f64>,
    /// How many times better it is meant to be.
    pub goal: Option<f64>,
}

impl Row {
    /// The medians of several runs; the ratio is the median of those within a run.
    ///
    /// # Panics
    /// There are no runs.
    pub fn new(name: &'static str, peer: &'static str, better: Better, runs: &[Pair]) -> Self {
        let theirs: Measured =
            runs.iter().map(|(_, theirs)| theirs.clone()).collect::<Result<Vec<_>, _>>().map(median);
        let times = |(ours, theirs): &Pair| match better {
            Better::Less => theirs.clone().map(|theirs| theirs / ours),
            Better::More => theirs.clone().map(|theirs| ours / theirs),
        };
        let times = runs.iter().map(times).collect::<Result<Vec<_>, _>>().map(median).ok();
        let damson = median(runs.iter().map(|(ours, _)| *ours).collect());
        Self { name, peer, damson, theirs, times: times.filter(|times| times.is_finite()), goal: None }
    }

    /// Damson is meant to be so many times better.
    pub fn meant(self, goal: f64) -> Self {
        Self { goal: Some(goal), ..self }
    }

    /// Is it? Nothing where nothing is meant or nobody stands beside it.
    pub fn is_met(&self) -> Option<bool> {
        Some(self.times? >= self.goal?)
    }

    pub fn json(&self) -> Value {
        let mut out = json!({ "damson": self.damson, "peer": self.peer, "times": self.times });
        match &self.theirs {
            Ok(theirs) => out[self.peer] = json!(theirs),
            Err(error) => out["error"] = json!(error),
        }
        if let Some(goal) = self.goal {
            out["goal"] = json!(goal);
            out["met"] = json!(self.is_met());
        }
        out
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_of_all_runs_and_ratios_of_one() {
        let runs = [(10.0, Ok(30.0)), (40.0, Ok(80.0)), (20.0, Ok(20.0))];
        let row = Row::new("put_ns", "chitchat", Better::Less, &runs).meant(2.0);
        assert_eq!((row.damson, row.theirs.clone(), row.times), (20.0, Ok(30.0), Some(2.0)));
        assert_eq!(
            (row.json()["peer"].clone(), row.json()["chitchat"].clone(), row.json()["met"].clone()),
            (json!("chitchat"), json!(30.0), json!(true))
        );
        let rate = Row::new("puts_per_s", "peer", Better::More, &runs);
        assert_eq!((rate.times, rate.is_met()), (Some(0.5), None));
    }

    #[test]
    fn a_row_without_a_peer_says_why() {
        let row = Row::new("put_ns", "peer", Better::Less, &[(10.0, Err("gone".into()))]).meant(2.0);
        assert_eq!((row.times, row.is_met()), (None, None));
        assert_eq!(row.json()["error"], "gone");
        assert_eq!(row.json()["met"], Value::Null);
    }
}
