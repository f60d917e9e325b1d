//! What was measured.

use std::time::Duration;

use damson_sim::bench::{percentile_ms, smallest_put_bytes};
use serde::Serialize;

use super::burst::Burst;
use super::visible;
use crate::args::BenchCluster;

/// All keys have this length.
const KEY_BYTES: usize = 16;

/// The figures.
#[derive(Debug, Serialize)]
pub struct Report {
    nodes: u16,
    puts: u32,
    singles: u32,
    value_bytes: u32,
    sync: &'static str,
    visible_by: &'static str,
    visible_ms_p50: f64,
    visible_ms_p99: f64,
    pub converged: bool,
    acknowledged_puts_per_s: f64,
    converged_puts_per_s: Option<f64>,
    wire_bytes: u64,
    minimal_wire_bytes: u64,
    overhead_bytes_per_put: f64,
    frames_per_put: f64,
    links_expelled: u64,
}

impl Report {
    pub fn new(args: &BenchCluster, mut visible: Vec<Duration>, burst: &Burst) -> Self {
        visible.sort_unstable();
        let puts = f64::from(args.puts);
        let value_bytes = usize::try_from(args.value_bytes).expect("a length in memory");
        let smallest = smallest_put_bytes(KEY_BYTES, value_bytes) as u64;
        let minimal = u64::from(args.puts) * u64::from(args.nodes - 1) * smallest;
        Self {
            nodes: args.nodes,
            puts: args.puts,
            singles: args.singles,
            value_bytes: args.value_bytes,
            sync: args.sync.name(),
            visible_by: visible::BY,
            visible_ms_p50: percentile_ms(&visible, 50),
            visible_ms_p99: percentile_ms(&visible, 99),
            converged: burst.converged.is_some(),
            acknowledged_puts_per_s: puts / burst.acknowledged.as_secs_f64(),
            converged_puts_per_s: burst.converged.map(|took| puts / took.as_secs_f64()),
            wire_bytes: burst.wire_bytes,
            minimal_wire_bytes: minimal,
            overhead_bytes_per_put: (burst.wire_bytes as f64 - minimal as f64) / puts,
            frames_per_put: burst.frames as f64 / puts,
            links_expelled: burst.expelled,
        }
    }
}
