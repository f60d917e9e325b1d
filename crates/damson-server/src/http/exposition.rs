//! `/metrics`: everything that is counted, for Prometheus.
//!
//! A recorder lives for one answer only, and belongs to nobody else: what is gone (a scope, a state) does not linger, and
//! applications that embed the server keep their own recorder.

mod casts;

use std::sync::Arc;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use damson::{BroadcastCounters, MemberState, OverlayCounters, Readiness};
use metrics::{Key, KeyName, Label, Level, Metadata, Recorder};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};

use crate::front::Front;

const METADATA: Metadata<'_> = Metadata::new("damson", Level::INFO, None);

pub(super) async fn metrics(State(front): State<Arc<Front>>) -> Response {
    let page = Page::new();
    page.clients(&front);
    page.node(&front);
    page.members(&front);
    page.scopes(&front);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page.render()).into_response()
}

struct Page {
    recorder: PrometheusRecorder,
}

/// One series of a metric.
type Series<'a> = (&'a [(&'static str, &'a str)], u64);

impl Page {
    fn new() -> Self {
        Self { recorder: PrometheusBuilder::new().build_recorder() }
    }

    fn render(&self) -> String {
        self.recorder.handle().render()
    }

    fn counter(&self, name: &'static str, help: &'static str, series: &[Series<'_>]) {
        self.recorder.describe_counter(KeyName::from(name), None, help.into());
        for (labels, value) in series {
            self.recorder.register_counter(&key(name, labels), &METADATA).absolute(*value);
        }
    }

    fn gauge(&self, name: &'static str, help: &'static str, series: &[Series<'_>]) {
        self.recorder.describe_gauge(KeyName::from(name), None, help.into());
        for (labels, value) in series {
            // Beyond 2^53 the exposition format has no exact numbers anyway.
            self.recorder.register_gauge(&key(name, labels), &METADATA).set(*value as f64);
        }
    }

    fn clients(&self, front: &Front) {
        let metrics = &front.metrics;
        for (command, executed, refused) in metrics.commands() {
            let series = |outcome, n| ([("command", command), ("outcome", outcome)], n);
            for (labels, n) in [series("ok", executed), series("error", refused)] {
                self.counter("damson_commands_total", "Redis commands by name and outcome.", &[(&labels, n)]);
            }
        }
        for (kind, n) in metrics.errors() {
            let help = "Error replies by kind; `protocol` counts connections closed for malformed frames.";
            self.counter("damson_command_errors_total", help, &[(&[("kind", kind)], n)]);
        }
        let connected = front.clients.len() as u64;
        self.gauge("damson_clients", "Redis connections that are open.", &[(&[], connected)]);
        let total = metrics.clients_connected();
        self.counter("damson_clients_total", "Redis connections accepted.", &[(&[], total)]);
        let refused = metrics.clients_refused();
        self.counter("damson_clients_refused_total", "Redis connections over the limit.", &[(&[], refused)]);
        let received: Series<'_> = (&[("direction", "in")], metrics.bytes_received());
        let sent: Series<'_> = (&[("direction", "out")], metrics.bytes_sent());
        self.counter("damson_client_bytes_total", "Bytes on Redis connections.", &[received, sent]);
        self.counter("damson_http_requests_total", "HTTP requests.", &[(&[], metrics.http_requests())]);
        let uptime = front.started.elapsed().as_secs();
        self.gauge("damson_uptime_seconds", "Since the ports were opened.", &[(&[], uptime)]);
    }

    fn broadcast(&self, broadcast: BroadcastCounters, overlay: OverlayCounters) {
        let received: Series<'_> = (&[("direction", "in")], broadcast.payloads_received);
        let sent: Series<'_> = (&[("direction", "out")], broadcast.payloads_sent);
        self.counter("damson_payloads_total", "Payloads on links, by direction.", &[received, sent]);
        let duplicates = broadcast.duplicates;
        self.counter("damson_duplicates_total", "Payloads that came and were known.", &[(&[], duplicates)]);
        let control: [Series<'_>; 4] = [
            (&[("kind", "announcement")], broadcast.announcements_sent),
            (&[("kind", "graft")], broadcast.grafts_sent),
            (&[("kind", "prune")], broadcast.prunes_sent),
            (&[("kind", "vector")], broadcast.vectors_sent),
        ];
        self.counter("damson_broadcast_control_total", "Frames that keep trees and repair them.", &control);
        let neighbors: [Series<'_>; 2] =
            [(&[("change", "up")], overlay.up), (&[("change", "down")], overlay.down)];
        self.counter("damson_neighbor_changes_total", "Neighbours gained and lost.", &neighbors);
    }

    fn node(&self, front: &Front) {
        let readiness = front.node.readiness();
        let failed = matches!(readiness, Readiness::Storage { .. });
        let suspect = readiness == Readiness::ClockSuspect;
        self.gauge(
            "damson_ready",
            "1 when the node may serve, and takes writes that add.",
            &[(&[], super::health::reason(&front.node).is_none().into())],
        );
        self.gauge(
            "damson_storage_failed",
            "1 when nothing is acknowledged any more.",
            &[(&[], failed.into())],
        );
        self.gauge(
            "damson_clock_suspect",
            "1 when the clock is far from most neighbours'.",
            &[(&[], suspect.into())],
        );
        self.memory(front);
        let counters = front.node.counters();
        let sync = counters.sync;
        self.counter("damson_sync_rounds_total", "Rounds of anti-entropy begun.", &[(&[], sync.rounds)]);
        self.counter("damson_sync_equal_total", "Rounds that found both equal.", &[(&[], sync.equal)]);
        self.counter("damson_sync_pulled_total", "Inbound syncs completed.", &[(&[], sync.pulled)]);
        self.counter("damson_sync_failed_total", "Inbound syncs given up.", &[(&[], sync.failed)]);
        let acks = counters.acks;
        self.counter("damson_waits_total", "Waits for other members begun.", &[(&[], acks.begun)]);
        self.counter("damson_waits_timed_out_total", "Waits whose time was over.", &[(&[], acks.timed_out)]);
        self.broadcast(counters.broadcast, counters.overlay);
        self.casts(counters.casts);
        let handlers = front.node.broadcast_handlers();
        self.handlers(&handlers);
        self.exchanges(&front.node, &handlers, sync);
        let received: Series<'_> = (&[("direction", "in")], counters.bytes_in);
        let sent: Series<'_> = (&[("direction", "out")], counters.bytes_out);
        self.counter("damson_peer_bytes_total", "Bytes on links between nodes.", &[received, sent]);
        self.counter(
            "damson_links_expelled_total",
            "Links closed because their peer read too slowly.",
            &[(&[], counters.links_expelled)],
        );
        let (held, refused) = (counters.writes_held, counters.writes_refused);
        self.counter(
            "damson_writes_held_total",
            "Writes that waited because a link or the disk was behind.",
            &[(&[], held)],
        );
        self.counter(
            "damson_writes_busy_total",
            "Writes that were refused because a link or the disk was behind.",
            &[(&[], refused)],
        );
        let node = counters.node;
        let refused: [Series<'_>; 11] = [
            (&[("cause", "malformed_frame")], node.malformed),
            (&[("cause", "greeting")], node.refused),
            (&[("cause", "greeting_by_peer")], node.refused_by_peers),
            (&[("cause", "sync_part")], sync.refused),
            (&[("cause", "question")], acks.refused),
            (&[("cause", "answer")], acks.unasked),
            (&[("cause", "link")], counters.links_refused),
            (&[("cause", "oversized_frame")], counters.frames_oversized),
            (&[("cause", "broadcast")], counters.broadcast.refused + counters.broadcast.dropped),
            (&[("cause", "overlay")], counters.overlay.refused),
            (&[("cause", "own_name")], node.own_from_elsewhere),
        ];
        self.counter(
            "damson_refused_total",
            "What other nodes sent and was not believed, by cause.",
            &refused,
        );
        self.counter(
            "damson_traces_removed_total",
            "Traces of resets in counters of ended lives of this node that were removed.",
            &[(&[], node.traces_removed)],
        );
        self.counter(
            "damson_diverged_total",
            "Equal contexts with different contents.",
            &[(&[], node.diverged)],
        );
        self.counter(
            "damson_refutations_total",
            "Suspicions of this node refuted.",
            &[(&[], node.refutations)],
        );
    }

    fn memory(&self, front: &Front) {
        let memory = front.node.memory();
        let used = [(&[][..], memory.used_bytes)];
        self.gauge("damson_memory_used_bytes", "What all scopes hold in memory, as it is counted.", &used);
        if let Some(limit) = memory.limit_bytes {
            let help = "From where on local writes that add are refused; absent without a limit.";
            self.gauge("damson_memory_limit_bytes", help, &[(&[], limit)]);
        }
    }

    fn members(&self, front: &Front) {
        let members = front.node.members();
        for state in [MemberState::Alive, MemberState::Suspect, MemberState::Dead, MemberState::Left] {
            let n = members.iter().filter(|member| member.state == state).count() as u64;
            self.gauge("damson_members", "Members by state.", &[(&[("state", state.name())], n)]);
        }
        let linked = members.iter().filter(|member| member.linked).count() as u64;
        self.gauge("damson_links", "Members with an open link.", &[(&[], linked.saturating_sub(1))]);
    }

    fn scopes(&self, front: &Front) {
        for scope in front.node.scopes() {
            let labels = [("scope", scope.name.as_str())];
            let one = |n: u64| [(&labels[..], n)];
            self.gauge("damson_keys", "Keys that exist.", &one(scope.keys as u64));
            self.gauge("damson_live_dots", "Live dots.", &one(scope.live_dots as u64));
            self.gauge("damson_value_bytes", "Bytes of live values.", &one(scope.value_bytes));
            self.gauge("damson_actors", "Actors in the context.", &one(scope.actors as u64));
            self.gauge("damson_removals", "Removals remembered.", &one(scope.removals as u64));
            self.gauge("damson_waiting", "Batches that wait for what they kill.", &one(scope.waiting as u64));
            let memory = scope.memory;
            self.gauge(
                "damson_scope_memory_used_bytes",
                "What the scope holds in memory.",
                &one(memory.used_bytes),
            );
            if let Some(limit) = memory.limit_bytes {
                self.gauge(
                    "damson_scope_memory_limit_bytes",
                    "The limit of the scope, if there is one.",
                    &one(limit),
                );
            }
            let counters = scope.counters;
            self.counter(
                "damson_out_of_memory_total",
                "Local writes refused at a limit of memory.",
                &one(counters.out_of_memory),
            );
            self.counter("damson_written_total", "Local batches.", &one(counters.written));
            self.counter("damson_applied_total", "New batches from peers.", &one(counters.applied));
            self.counter("damson_duplicates_total", "Known batches from peers.", &one(counters.duplicates));
            self.counter("damson_waited_total", "Batches that had to wait.", &one(counters.waited));
            self.counter(
                "damson_overflowed_total",
                "Batches dropped from the waiting buffer.",
                &one(counters.overflowed),
            );
            self.counter(
                "damson_conflicts_total",
                "Merges that left concurrent dots.",
                &one(counters.conflicts),
            );
            self.counter("damson_future_total", "Batches from the far future.", &one(counters.future));
            for (way, n) in counters.synced() {
                let labels = [("scope", scope.name.as_str()), ("way", way)];
                let help = "Syncs taken in, by the way that served: contexts, sketches, or everything.";
                self.counter("damson_synced_total", help, &[(&labels, n)]);
            }
        }
    }
}

fn key(name: &'static str, labels: &[(&'static str, &str)]) -> Key {
    Key::from_parts(
        name,
        labels.iter().map(|(name, value)| Label::new(*name, (*value).to_string())).collect::<Vec<_>>(),
    )
}
