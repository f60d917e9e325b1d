//! What happened: all that the judge needs, and nothing that it makes of it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use super::op::Op;

/// What a node holds: by key a value, or elements.
pub type Contents = BTreeMap<String, Held>;

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Held {
    Value(String),
    Elements(Vec<String>),
}

/// Something that happened. Events of one cell are in the order in which they happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A run begins.
    Began { seed: u64, nodes: usize },
    /// A command was sent to a node, and acknowledged, or not: then nobody knows.
    Sent { writer: usize, node: usize, op: Op, acked: bool },
    /// These nodes were killed with kill -9; their data were removed, or not.
    Killed { cycle: u32, nodes: Vec<usize>, wiped: bool },
    /// All nodes had one digest. These held this; groups of nodes with the same contents.
    Held { cycle: u32, groups: Vec<(Vec<usize>, Contents)> },
}

/// Writes events to a file, one JSON object in a line.
pub struct Dump(BufWriter<File>);

impl Dump {
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self(BufWriter::new(file)))
    }

    pub fn add(&mut self, event: &Event) -> anyhow::Result<()> {
        serde_json::to_writer(&mut self.0, event)?;
        self.0.write_all(b"\n").context("cannot write the evidence")
    }

    /// What was written is in the file.
    pub fn flush(&mut self) -> anyhow::Result<()> {
        self.0.flush().context("cannot write the evidence")
    }
}

/// Reads events from a file.
pub fn read(path: &Path) -> anyhow::Result<impl Iterator<Item = anyhow::Result<Event>> + use<>> {
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let lines = BufReader::new(file).lines().enumerate();
    Ok(lines.map(|(at, line)| {
        serde_json::from_str(&line?).with_context(|| format!("line {} is no event", at + 1))
    }))
}
