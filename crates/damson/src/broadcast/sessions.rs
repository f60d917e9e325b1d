//! Anti-entropy's own sessions, among the exchanges: they are those of the replica.

use damson_core::node::Node as Core;
use damson_core::sync::{Session, SessionEnd};
use damson_core::time::Now;

use super::{BegunBy, Exchange, ExchangeRef, Selector};

/// The handler of anti-entropy's sessions. No handler of users has a name that begins with `~`.
pub const REPLICA: &str = "~replica";

/// Those that run.
pub(super) fn running(node: &Core, now: Now) -> Vec<Exchange> {
    node.sync_sessions().map(|session| shown(session, now)).collect()
}

/// Numbers of those that run and are selected, with how they are shown.
pub(super) fn selected(node: &Core, now: Now, which: &Selector) -> Vec<(u64, Exchange)> {
    let all = node.sync_sessions().map(|session| (session.number, shown(session, now)));
    all.filter(|(_, exchange)| which.names(exchange)).collect()
}

fn shown(session: Session, now: Now) -> Exchange {
    Exchange {
        handler: REPLICA.to_string(),
        peer: session.peer,
        scope: Some(session.scope),
        begun_by: match session.end {
            SessionEnd::Receiver => BegunBy::Node,
            SessionEnd::Source => BegunBy::Peer,
        },
        reference: ExchangeRef::of_session(session.number),
        since_ms: now.time.ms_since(session.began),
    }
}
