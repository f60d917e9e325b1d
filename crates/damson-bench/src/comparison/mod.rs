//! Damson beside peers: figures of the same work, of one run of one command, side by side.

mod print;
mod row;

use std::process::ExitCode;

use serde_json::{Map, Value, json};

pub use row::{Better, Measured, NOT_BUILT, Pair, Row};

/// Figures of Damson and of peers.
pub struct Comparison {
    /// What was run.
    command: String,
    parameters: Value,
    rows: Vec<Row>,
    /// Other figures, of one side only.
    beside: Map<String, Value>,
}

impl Comparison {
    /// Nothing yet, measured with these parameters by the command that runs.
    pub fn new(parameters: Value) -> Self {
        let command = std::iter::once("damson-bench".to_string()).chain(std::env::args().skip(1));
        let command = command.collect::<Vec<_>>().join(" ");
        Self { command, parameters, rows: Vec::new(), beside: Map::new() }
    }

    /// Adds a row.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds something that stands beside the rows.
    pub fn say(&mut self, name: &str, value: impl Into<Value>) {
        self.beside.insert(name.into(), value.into());
    }

    /// All of it as one JSON object.
    pub fn json(&self) -> Value {
        let figures: Map<String, Value> =
            self.rows.iter().map(|row| (row.name.to_string(), row.json())).collect();
        json!({ "command": self.command, "parameters": self.parameters, "figures": figures, "beside": self.beside })
    }

    /// Prints the table, and with `json` one JSON object in place of it.
    pub fn print(&self, json: bool) -> ExitCode {
        match json {
            true => println!("{}", self.json()),
            false => print!("{}", print::table(&self.command, &self.rows, &self.beside)),
        }
        ExitCode::SUCCESS
    }
}
