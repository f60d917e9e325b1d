//! Damson's column: the real node in the simulator's network.

use std::collections::BTreeMap;

use damson_sim::{Detect as SimDetect, OverlayOptions, OverlayReport, run_overlay};

use super::parameters::{Detect, Parameters};
use super::row::Row;

/// One cycle of the simulator: a period of Damson's shuffles.
const CYCLE_S: u64 = 10;
/// Frames by which the broadcast looks after itself: announcements, requests, distances.
const CONTROL: [&str; 3] = ["have", "graft", "vector"];

/// The same experiment with Damson's nodes. They join one millisecond after the other.
pub fn damson_column(parameters: &Parameters) -> Result<Row, String> {
    let run = run_overlay(&options(parameters), &mut |_| {})?;
    row(&run.report())
}

fn options(parameters: &Parameters) -> OverlayOptions {
    let (shortest_ms, longest_ms) = parameters.delay_ms;
    OverlayOptions {
        nodes: parameters.nodes as usize,
        seed: parameters.seed,
        fail_pct: 100.0 * f64::from(parameters.killed) / f64::from(parameters.nodes),
        detect: match parameters.detect {
            Detect::Instant => SimDetect::Instant,
            Detect::After(ms) => SimDetect::After(ms),
        },
        messages: parameters.messages as usize,
        rate: parameters.rate,
        delay_us: (shortest_ms * 1_000, longest_ms * 1_000),
        cycles: parameters.settle_s / CYCLE_S,
        ..OverlayOptions::default()
    }
}

fn row(report: &OverlayReport) -> Result<Row, String> {
    let defined = |name: &str, figure: Option<f64>| figure.ok_or_else(|| format!("{name} is not defined"));
    let each = |kind: &str| {
        let frames = report.sent_in_message_phase.get(kind).map_or(0, |sent| sent.frames);
        (kind.to_owned(), frames as f64 / report.messages as f64)
    };
    let number = |n: usize| u32::try_from(n).expect("nodes are numbered with 32 bits");
    Ok(Row {
        rmr: defined("rmr", report.rmr)?,
        last_hop_mean: defined("ldh_mean", report.ldh_mean)?,
        last_hop_max: report.ldh_max.into(),
        last_node_ms: defined("last_delivery_ms_mean", report.last_delivery_ms_mean)?,
        control_per_broadcast: defined("control_per_broadcast", report.control_per_broadcast)?,
        control_per_delivery: defined("control_per_delivery", report.control_per_delivery)?,
        control: CONTROL.map(each).into_iter().collect::<BTreeMap<_, _>>(),
        delivered_10s_pct: defined("held_in_time_pct", report.held_in_time_pct)?,
        delivered_pct: defined("delivered_eventually_pct", report.delivered_eventually_pct)?,
        degree_mean: report.degree_mean,
        survivors: number(report.living_at_end),
        connected: number(report.living_at_end - report.stranded),
        stranded: number(report.stranded),
    })
}
