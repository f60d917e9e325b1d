//! What came out.

use std::fmt::Write;

use serde::Serialize;

use crate::args::JoinArgs;
use crate::entry::KEY_BYTES;

/// What came out. `join --help` defines the figures.
#[derive(Debug, Clone, Serialize)]
pub struct Outcome {
    pub command: String,
    pub keys: u32,
    pub value_bytes: u32,
    pub rate: u64,
    pub delay_ms: u64,
    pub bytes: u64,
    pub minimal_bytes: u64,
    pub seconds: f64,
    /// Absent where less than 16 KiB came in all.
    pub first_seconds: Option<f64>,
    pub least_seconds: Option<f64>,
    pub ratio: Option<f64>,
}

impl Outcome {
    pub fn new(args: &JoinArgs, bytes: u64, seconds: f64, first_seconds: Option<f64>) -> Self {
        let command = std::iter::once("damson-bench".to_string()).chain(std::env::args().skip(1));
        let least_seconds = (args.rate > 0).then(|| bytes as f64 / args.rate as f64);
        Self {
            command: command.collect::<Vec<_>>().join(" "),
            keys: args.keys,
            value_bytes: args.value_bytes,
            rate: args.rate,
            delay_ms: args.delay_ms,
            bytes,
            minimal_bytes: args.minimal_bytes(KEY_BYTES),
            seconds,
            first_seconds,
            least_seconds,
            ratio: least_seconds.map(|least| seconds / least),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut out = format!("{}\n\n", self.command);
        let _ = writeln!(out, "bytes          {} ({} of keys and values)", self.bytes, self.minimal_bytes);
        let _ = writeln!(out, "seconds        {:.3}", self.seconds);
        if let Some(first) = self.first_seconds {
            let _ = writeln!(out, "first_seconds  {first:.3}");
        }
        if let (Some(least), Some(ratio)) = (self.least_seconds, self.ratio) {
            let _ = writeln!(out, "least_seconds  {least:.3}");
            let _ = writeln!(out, "ratio          {ratio:.3}");
        }
        out
    }
}
