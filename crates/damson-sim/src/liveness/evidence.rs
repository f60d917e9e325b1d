//! What a run leaves behind, before anything is computed from it; and the same as lines of JSON.

use std::io::{self, Write};

use damson_core::membership::MemberState;
use damson_core::time::Time;

use super::changes::Change;
use super::options::LivenessOptions;

/// A node crashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crash {
    pub at: Time,
    pub node: u32,
}

/// A node's roster in the end, by ids and states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RosterHash {
    pub observer: u32,
    pub states: u64,
}

/// What a run leaves behind.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub options: LivenessOptions,
    /// All rosters showed all as alive before the measured time.
    pub settled: bool,
    /// The measured time.
    pub begun: Time,
    pub ended: Time,
    /// What was not seen as alive when it began; nothing when all had settled.
    pub at_start: Vec<Change>,
    /// In the order of time.
    pub changes: Vec<Change>,
    pub crashes: Vec<Crash>,
    pub starved: Vec<u32>,
    /// Of the survivors.
    pub rosters: Vec<RosterHash>,
    /// Sent by all nodes in the measured time, and the time that they lived in it, added up.
    pub bytes: u64,
    pub node_us: u64,
    /// Frames for which starved nodes had no room.
    pub frames_dropped: u64,
    pub events: u64,
    pub trace_hash: String,
}

impl Evidence {
    /// Lines of JSON from which all figures can be computed again. Times are virtual microseconds.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { options, settled, begun, ended, bytes, node_us, frames_dropped, .. } = self;
        writeln!(
            out,
            r#"{{"run":{{"nodes":{},"seed":{},"settled":{settled},"begun_us":{},"ended_us":{}}}}}"#,
            options.nodes, options.seed, begun.0, ended.0
        )?;
        for Crash { at, node } in &self.crashes {
            writeln!(out, r#"{{"crash":{node},"at_us":{}}}"#, at.0)?;
        }
        for node in &self.starved {
            writeln!(out, r#"{{"starved":{node}}}"#)?;
        }
        self.at_start.iter().try_for_each(|change| write_change(out, "at_start", change))?;
        self.changes.iter().try_for_each(|change| write_change(out, "change", change))?;
        for RosterHash { observer, states } in &self.rosters {
            writeln!(out, r#"{{"roster_of":{observer},"states_hash":"{states:016x}"}}"#)?;
        }
        writeln!(
            out,
            r#"{{"sent_bytes":{bytes},"lived_node_us":{node_us},"frames_dropped":{frames_dropped}}}"#
        )
    }
}

fn write_change(out: &mut dyn Write, kind: &str, change: &Change) -> io::Result<()> {
    let Change { at, observer, member, incarnation, state, judged_by } = change;
    let state = state.map_or("absent", MemberState::name);
    let judge = judged_by.map_or_else(|| "null".to_owned(), |judge| judge.to_string());
    writeln!(
        out,
        r#"{{"{kind}":"{state}","at_us":{},"observer":{observer},"member":{member},"incarnation":{incarnation},"judged_by":{judge}}}"#,
        at.0
    )
}
