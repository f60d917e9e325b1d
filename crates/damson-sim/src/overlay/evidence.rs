//! What a run leaves behind, before anything is computed from it; and the same as lines of JSON.

use std::io::{self, Write};

use damson_core::time::Time;

use super::graph::Graph;
use super::messages::Message;
use super::observe::cycle_us;
use super::options::OverlayOptions;
use super::snapshot::Snapshot;
use crate::swarm::Traffic;

/// A node's time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Lifetime {
    pub born: Option<Time>,
    pub died: Option<Time>,
}

/// The survivors right after the failures.
#[derive(Debug)]
pub(crate) struct Survivors {
    pub nodes: Vec<u32>,
    /// Who of them knows whom, from either view. Numbered as `nodes` is.
    pub knowledge: Graph,
    /// Those in the largest component of that graph, in ascending order.
    pub giant: Vec<u32>,
}

/// What a run leaves behind.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub options: OverlayOptions,
    /// By node.
    pub lifetimes: Vec<Lifetime>,
    /// When the failures happened, and the messages began.
    pub begun: Time,
    pub ended: Time,
    /// Before the failures.
    pub settled: Snapshot,
    /// What the trees of all nodes took then.
    pub tree_bytes: usize,
    pub survivors: Survivors,
    pub at_end: Snapshot,
    pub messages: Vec<Message>,
    /// Cycles until a message reached all that the survivors' giant component can reach.
    pub healing_cycles: Option<u64>,
    /// What was sent in how many microseconds at the end of settling.
    pub idle: (Traffic, u64),
    /// What was sent from the first message to the end.
    pub message_phase: Traffic,
    pub traffic: Traffic,
    /// Messages that living nodes lack in the end.
    pub missing: Vec<(usize, u32)>,
    pub events: u64,
    pub trace_hash: String,
}

/// How long a message may take at least to count as delivered, in microseconds.
const PATIENCE_US: u64 = 10_000_000;

impl Lifetime {
    /// Did it live from here to there?
    pub fn spans(&self, from: Time, to: Time) -> bool {
        self.born.is_some_and(|born| born <= from) && self.died.is_none_or(|died| died > to)
    }
}

/// Until when a message counts as delivered: 10 seconds, or to the end of the cycle in which it was sent, whichever is
/// later.
pub(crate) fn closes(sent: Time, begun: Time) -> Time {
    let cycles = (sent.0 - begun.0) / cycle_us() + 1;
    Time(begun.0 + cycles * cycle_us()).max(Time(sent.0 + PATIENCE_US))
}

impl Evidence {
    /// Messages other than probes.
    pub fn proper(&self) -> impl Iterator<Item = &Message> {
        self.messages.iter().filter(|message| !message.probe)
    }

    /// Lines of JSON from which all figures can be computed again. Times are virtual microseconds.
    pub fn write(&self, out: &mut dyn Write, delay_us: impl Fn(u32, u32) -> u64) -> io::Result<()> {
        let Self { options, begun, ended, survivors, .. } = self;
        writeln!(
            out,
            r#"{{"run":{{"nodes":{},"seed":{},"active":{},"begun_us":{},"ended_us":{},"cycle_us":{}}}}}"#,
            options.nodes,
            options.seed,
            options.active,
            begun.0,
            ended.0,
            cycle_us()
        )?;
        for (at, life) in self.lifetimes.iter().enumerate() {
            let (born, died) = (or_null(life.born), or_null(life.died));
            writeln!(out, r#"{{"node":{at},"born_us":{born},"died_us":{died}}}"#)?;
        }
        for (name, snapshot) in [("settled", &self.settled), ("end", &self.at_end)] {
            for (a, b) in snapshot.overlay.edges() {
                let (a, b) = (snapshot.living[a as usize], snapshot.living[b as usize]);
                writeln!(out, r#"{{"edge":[{a},{b}],"at":"{name}","delay_us":{}}}"#, delay_us(a, b))?;
            }
        }
        if options.failures() > 0 {
            for (a, b) in survivors.knowledge.edges() {
                let (a, b) = (survivors.nodes[a as usize], survivors.nodes[b as usize]);
                writeln!(out, r#"{{"knows":[{a},{b}]}}"#)?;
            }
        }
        self.write_messages(out)?;
        self.write_counters(out)
    }

    fn write_messages(&self, out: &mut dyn Write) -> io::Result<()> {
        for (number, message) in self.messages.iter().enumerate() {
            let Message { sender, sent, probe, payloads, eccentricity, farthest_us, .. } = message;
            let (held, living) = message.held.unwrap_or_default();
            writeln!(
                out,
                r#"{{"message":{number},"sender":{sender},"sent_us":{},"probe":{probe},"payloads":{payloads},"eccentricity":{eccentricity},"farthest_us":{farthest_us},"held":{held},"living":{living}}}"#,
                sent.0
            )?;
            for (at, delivery) in message.delivered() {
                writeln!(
                    out,
                    r#"{{"delivered":{number},"at":{at},"after_us":{},"round":{},"from":{}}}"#,
                    delivery.after_us, delivery.round, delivery.from
                )?;
            }
        }
        self.missing.iter().try_for_each(|(number, at)| writeln!(out, r#"{{"missing":{number},"at":{at}}}"#))
    }

    fn write_counters(&self, out: &mut dyn Write) -> io::Result<()> {
        let (idle, idle_us) = &self.idle;
        let phases =
            [("idle", idle, *idle_us), ("messages", &self.message_phase, self.ended.0 - self.begun.0)];
        for (name, traffic, us) in phases.into_iter().chain([("all", &self.traffic, self.ended.0)]) {
            for (kind, sent) in traffic.by_name() {
                let (frames, bytes) = (sent.frames, sent.bytes);
                writeln!(
                    out,
                    r#"{{"sent":"{kind}","phase":"{name}","us":{us},"frames":{frames},"bytes":{bytes}}}"#
                )?;
            }
        }
        Ok(())
    }
}

fn or_null(time: Option<Time>) -> String {
    time.map_or_else(|| "null".to_owned(), |time| time.0.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_ten_seconds_or_the_rest_of_its_cycle() {
        let begun = Time(5_000_000);
        let cycle = cycle_us();
        assert_eq!(closes(begun, begun), Time(begun.0 + cycle.max(PATIENCE_US)));
        let late = Time(begun.0 + cycle - 1);
        assert_eq!(closes(late, begun), Time(late.0 + PATIENCE_US));
    }

    #[test]
    fn a_lifetime_must_hold_both_ends() {
        let life = Lifetime { born: Some(Time(5)), died: Some(Time(9)) };
        assert!(life.spans(Time(5), Time(8)));
        assert!(!life.spans(Time(4), Time(8)) && !life.spans(Time(5), Time(9)));
        assert!(!Lifetime::default().spans(Time(5), Time(6)));
        assert!(Lifetime { died: None, ..life }.spans(Time(6), Time(999)));
    }
}
