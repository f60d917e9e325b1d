//! What is counted, and how Prometheus is told.
//!
//! The recorder is this server's own: embedding applications keep theirs. Counters that connections touch are
//! registered once and incremented through handles; what the node counts itself is copied when somebody asks.

use std::collections::BTreeMap;

use damson::{MemberState, Node, Readiness};
use metrics::{Counter, Key, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::commands::{CommandError, TABLE};
use crate::front::Front;

/// The counters of a server.
pub(crate) struct Metrics {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    /// For each command of the table: executed, failed.
    commands: Vec<[Counter; 2]>,
    errors: BTreeMap<&'static str, Counter>,
    bytes_received: Counter,
    bytes_sent: Counter,
    clients: Counter,
    clients_refused: Counter,
    http_requests: Counter,
    /// What `/v1/status` tells without asking the recorder.
    totals: Totals,
}

/// Totals since the start.
#[derive(Default)]
struct Totals {
    commands: std::sync::atomic::AtomicU64,
    errors: std::sync::atomic::AtomicU64,
    bytes_received: std::sync::atomic::AtomicU64,
    bytes_sent: std::sync::atomic::AtomicU64,
    clients: std::sync::atomic::AtomicU64,
}

const METADATA: Metadata<'_> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));
