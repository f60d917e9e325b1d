//! The figures that a comparison prints.

use std::process::{Command, Output};

use serde_json::Value;

/// Are the peers built?
pub const PEERS: bool = cfg!(feature = "peers");

/// The one JSON object of a run.
pub struct Figures(Value);

/// Runs a command to its end.
pub fn run(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_damson-bench")).args(args).output().expect("the binary starts")
}

impl Figures {
    /// Runs a command, which must succeed, and reads the last line of what it prints.
    pub fn of(args: &[&str]) -> Self {
        let output = run(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        let stdout = String::from_utf8_lossy(&output.stdout);
        let last = stdout.lines().last().expect("a line");
        let object: Value = serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}"));
        let command = object["command"].as_str().expect("the command that was run");
        assert_eq!(command, format!("damson-bench {} --json", args.join(" ")));
        Self(object)
    }

    pub fn parameter(&self, name: &str) -> &Value {
        &self.0["parameters"][name]
    }

    /// A figure that stands beside the rows.
    pub fn beside(&self, name: &str) -> f64 {
        self.0["beside"][name].as_f64().unwrap_or_else(|| panic!("no number {name} in {}", self.0))
    }

    /// Damson's figure and the peer's, which has to be there if the peers are built; else it has to be said that they are not.
    pub fn both(&self, name: &str, peer: &str) -> (f64, Option<f64>) {
        let row = &self.0["figures"][name];
        assert_eq!(row["peer"], peer, "{name} in {}", self.0);
        let ours = row["damson"].as_f64().filter(|ours| *ours > 0.0);
        let theirs = row[peer].as_f64().filter(|theirs| *theirs > 0.0);
        assert_eq!(theirs.is_some(), PEERS, "{name} in {}", self.0);
        assert_eq!(row["times"].is_number(), PEERS, "{name} in {}", self.0);
        let error = row["error"].as_str();
        assert_eq!(
            error.is_some_and(|error| error.contains("--features peers")),
            !PEERS,
            "{name} in {}",
            self.0
        );
        (ours.unwrap_or_else(|| panic!("no figure {name} in {}", self.0)), theirs)
    }
}
