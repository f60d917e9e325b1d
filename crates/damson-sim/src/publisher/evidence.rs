//! What a run leaves behind, before anything is computed from it; and the same as lines of JSON.

use std::io::{self, Write};

use damson_core::node::Event;
use damson_core::scope::ScopeName;
use damson_core::time::Time;

use crate::swarm::{Witness, kind_name, number_of};

/// The publisher's scope, and how a push of it begins: array of 2, its number, array of 3, the scope's name.
const SCOPE: &str = "load";
const PUSH_PREFIX: &[u8] = b"\x82\x07\x83\x64load";
/// The kind of such a push; other kinds have their names in the traffic's table.
pub(crate) const PAYLOAD: &str = "payload";

/// A frame that the origin sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    pub at: Time,
    pub kind: &'static str,
    pub bytes: usize,
}

/// Why something was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    Update,
    /// The updates behind the base had become long.
    Rebase,
}

/// A batch that the origin wrote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Written {
    pub why: Why,
    pub at: Time,
    pub operations: usize,
    /// Its last operation's number.
    pub last: u64,
    /// So many nodes got it by the broadcast, the last of them then.
    pub delivered: usize,
    pub delivered_last: Time,
}

/// What is seen of a run.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    pub origin: u32,
    pub recording: bool,
    pub frames: Vec<Frame>,
    /// In the order of their numbers.
    pub written: Vec<Written>,
}

/// What a run leaves behind.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub nodes: usize,
    pub origin: u32,
    /// Links of the origin's active view, before and after.
    pub neighbours: (usize, usize),
    /// All showed all, and held the same, before the measured time.
    pub settled: bool,
    pub begun: Time,
    pub ended: Time,
    /// When all nodes held the same after the last write; absent when that did not come.
    pub converged: Option<Time>,
    /// Nodes that do not hold what the origin holds in the end.
    pub lacking: Vec<u32>,
    pub frames: Vec<Frame>,
    pub written: Vec<Written>,
    pub events: u64,
    pub trace_hash: String,
}

pub(crate) fn scope() -> ScopeName {
    SCOPE.parse().expect("a scope name")
}

impl Witness for Watched {
    fn sent(&mut self, at: u32, frame: &[u8], now: Time) {
        if self.recording && at == self.origin {
            let kind = if frame.starts_with(PUSH_PREFIX) { PAYLOAD } else { kind_name(frame) };
            self.frames.push(Frame { at: now, kind, bytes: frame.len() });
        }
    }

    fn told(&mut self, _: u32, event: &Event, now: Time) {
        let Event::Delivered { scope, actor, last, .. } = event else { return };
        if scope.as_str() != SCOPE || number_of(actor.node) != self.origin {
            return;
        }
        if let Ok(at) = self.written.binary_search_by_key(last, |written| written.last) {
            self.written[at].delivered += 1;
            self.written[at].delivered_last = now;
        }
    }
}

impl Evidence {
    /// Lines of JSON from which all figures can be computed again. Times are virtual microseconds.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { nodes, origin, settled, begun, ended, converged, .. } = self;
        let converged = converged.map_or_else(|| "null".to_owned(), |at| at.0.to_string());
        writeln!(
            out,
            r#"{{"run":{{"nodes":{nodes},"origin":{origin},"neighbours":[{},{}],"settled":{settled},"begun_us":{},"ended_us":{},"converged_us":{converged},"trace_hash":"{}"}}}}"#,
            self.neighbours.0, self.neighbours.1, begun.0, ended.0, self.trace_hash
        )?;
        for Written { why, at, operations, last, delivered, delivered_last } in &self.written {
            let why = match why {
                Why::Update => "update",
                Why::Rebase => "rebase",
            };
            writeln!(
                out,
                r#"{{"written":"{why}","nodes":{nodes},"at_us":{},"operations":{operations},"last":{last},"delivered":{delivered},"delivered_last_us":{}}}"#,
                at.0, delivered_last.0
            )?;
        }
        for Frame { at, kind, bytes } in &self.frames {
            writeln!(out, r#"{{"sent":"{kind}","nodes":{nodes},"at_us":{},"bytes":{bytes}}}"#, at.0)?;
        }
        self.lacking.iter().try_for_each(|node| writeln!(out, r#"{{"lacking":{node},"nodes":{nodes}}}"#))
    }
}
