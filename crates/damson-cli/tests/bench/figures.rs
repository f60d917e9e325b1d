//! The figures that a benchmark prints.

use std::process::{Command, Output};

use serde_json::Value;

/// The figures of a run.
pub struct Figures(Value);

/// Runs a benchmark to its end.
pub fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_damson")).arg("bench").args(args).output().expect("the binary starts")
}

impl Figures {
    /// Runs a benchmark, which must succeed, and reads the last line of what it prints.
    pub fn of(args: &[&str]) -> Self {
        let output = run(&[args, &["--json"]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{args:?}: {stderr}");
        assert!(!stderr.is_empty(), "it tells how far it is");
        let stdout = String::from_utf8_lossy(&output.stdout);
        let last = stdout.lines().last().expect("a line");
        Self(serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}")))
    }

    /// A number, which must be there.
    pub fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or_else(|| panic!("no number {name} in {}", self.0))
    }

    pub fn text(&self, name: &str) -> &str {
        self.0[name].as_str().unwrap_or_else(|| panic!("no text {name} in {}", self.0))
    }

    pub fn is_true(&self, name: &str) -> bool {
        self.0[name].as_bool().unwrap_or_else(|| panic!("no flag {name} in {}", self.0))
    }

    /// All of these are numbers above zero.
    pub fn assert_positive(&self, names: &[&str]) {
        names.iter().for_each(|name| assert!(self.number(name) > 0.0, "{name} in {}", self.0));
    }
}
