//! Messages of topics and handlers, handlers, and exchanges.

use std::collections::BTreeMap;

use damson::broadcast::{HandlerCounters, REPLICA};
use damson::{CastCounters, Node, SyncCounters};

use super::{Page, Series};

impl Page {
    pub(super) fn casts(&self, casts: CastCounters) {
        let received: Series<'_> = (&[("direction", "in")], casts.received);
        let sent: Series<'_> = (&[("direction", "out")], casts.sent);
        let help = "Messages of topics and handlers: own ones, and others' that were new.";
        self.counter("damson_casts_total", help, &[received, sent]);
        let one = |n: u64| [(&[][..], n)];
        self.counter(
            "damson_casts_duplicates_total",
            "Messages that came and were known.",
            &one(casts.duplicates),
        );
        self.counter(
            "damson_casts_asked_total",
            "Requests for messages that had not come.",
            &one(casts.asked),
        );
        self.counter(
            "damson_casts_lost_total",
            "Messages that nobody could give any more.",
            &one(casts.lost),
        );
        self.counter(
            "damson_casts_refused_total",
            "Messages and announcements of them that could not be believed.",
            &one(casts.refused),
        );
    }

    pub(super) fn handlers(&self, handlers: &BTreeMap<String, HandlerCounters>) {
        for (name, counted) in handlers {
            for (outcome, n) in [
                ("merged", counted.merged),
                ("known", counted.known),
                ("stale", counted.stale),
                ("lost", counted.lost),
                ("malformed", counted.malformed),
            ] {
                let labels = [("handler", name.as_str()), ("outcome", outcome)];
                let help = "Messages for broadcast handlers, by what became of them.";
                self.counter("damson_handler_messages_total", help, &[(&labels, n)]);
            }
            let labels = [("handler", name.as_str())];
            self.counter(
                "damson_handler_grafted_total",
                "Messages that nobody spread any more and that another member's handler gave.",
                &[(&labels, counted.grafted)],
            );
            self.counter(
                "damson_handler_panics_total",
                "Panics of broadcast handlers.",
                &[(&labels, counted.panics)],
            );
        }
    }

    /// Those of handlers, and sessions of anti-entropy under the name of the replica.
    pub(super) fn exchanges(
        &self,
        node: &Node,
        handlers: &BTreeMap<String, HandlerCounters>,
        sync: SyncCounters,
    ) {
        let running = node.exchanges();
        let of_handlers = handlers.iter().map(|(name, counted)| {
            let HandlerCounters { exchanges, exchanges_failed, exchanges_cancelled, .. } = *counted;
            (name.as_str(), [exchanges, exchanges_failed, exchanges_cancelled])
        });
        let of_replica = (REPLICA, [sync.begun, sync.failed, sync.cancelled]);
        for (name, [begun, failed, cancelled]) in of_handlers.chain([of_replica]) {
            let labels = [("handler", name)];
            let running = running.iter().filter(|exchange| exchange.handler == name).count() as u64;
            self.gauge("damson_exchanges", "Exchanges that run.", &[(&labels, running)]);
            self.counter("damson_exchanges_total", "Exchanges begun.", &[(&labels, begun)]);
            self.counter(
                "damson_exchanges_failed_total",
                "Exchanges that failed or could not begin.",
                &[(&labels, failed)],
            );
            self.counter("damson_exchanges_cancelled_total", "Exchanges cancelled.", &[(&labels, cancelled)]);
        }
    }
}
