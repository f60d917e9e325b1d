//! What the node says about itself.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use damson::{MemoryUse, Node, ScopeInfo, Status};
use serde::Serialize;

use super::health::reason;
use crate::front::Front;

#[derive(Serialize)]
pub(super) struct StatusBody {
    name: String,
    id: String,
    life: String,
    realm: String,
    version: &'static str,
    /// Where other nodes reach it, and where clients do.
    address: String,
    redis: Option<String>,
    http: Option<String>,
    ready: bool,
    reason: Option<String>,
    /// Members that are alive, itself included.
    members: usize,
    links: usize,
    /// Equal on nodes that agree.
    digest: String,
    keys: usize,
    memory: MemoryBody,
    clients: usize,
    wall_ms: u64,
    uptime_ms: u64,
    scopes: Vec<ScopeBody>,
    totals: Totals,
}

#[derive(Serialize)]
struct MemoryBody {
    used_bytes: u64,
    limit_bytes: Option<u64>,
    /// `fine`, `short` from nine tenths of the limit on, `full` from 99 hundredths on.
    level: &'static str,
}

#[derive(Serialize)]
struct ScopeBody {
    name: String,
    keys: usize,
    live_dots: usize,
    value_bytes: u64,
    actors: usize,
    removals: usize,
    waiting: usize,
    memory: MemoryBody,
    digest: String,
    conflicts: u64,
}

/// What happened since the start. Rates are differences of these.
#[derive(Serialize, Default)]
struct Totals {
    commands: u64,
    command_errors: u64,
    client_bytes_in: u64,
    client_bytes_out: u64,
    writes: u64,
    applied: u64,
    pushed: u64,
    peer_bytes_in: u64,
    peer_bytes_out: u64,
    sync_rounds: u64,
    sync_equal: u64,
    sync_pulled: u64,
    sync_failed: u64,
    diverged: u64,
}

pub(super) async fn status(State(front): State<Arc<Front>>) -> Json<StatusBody> {
    let status = front.node.status();
    let scopes = front.node.scopes();
    let totals = Totals::of(&front, &scopes);
    let user = scopes.iter().filter(|scope| !scope.name.is_system());
    Json(StatusBody {
        scopes: user.map(ScopeBody::of).collect(),
        totals,
        redis: front.redis_address.map(|address| address.to_string()),
        http: front.http_address.map(|address| address.to_string()),
        clients: front.clients.len(),
        uptime_ms: u64::try_from(front.started.elapsed().as_millis()).unwrap_or(u64::MAX),
        ..StatusBody::of(status, reason(&front.node))
    })
}

impl StatusBody {
    fn of(status: Status, reason: Option<String>) -> Self {
        Self {
            name: status.name,
            id: status.id.to_string(),
            life: format!("{:016x}", status.life.0),
            realm: status.realm,
            version: env!("CARGO_PKG_VERSION"),
            address: status.address,
            redis: None,
            http: None,
            ready: reason.is_none(),
            reason,
            members: status.members,
            links: status.links,
            digest: status.digest.to_string(),
            keys: status.keys,
            memory: MemoryBody::of(status.memory),
            clients: 0,
            wall_ms: status.wall_ms,
            uptime_ms: 0,
            scopes: Vec::new(),
            totals: Totals::default(),
        }
    }
}

impl ScopeBody {
    fn of(scope: &ScopeInfo) -> Self {
        Self {
            name: scope.name.to_string(),
            keys: scope.keys,
            live_dots: scope.live_dots,
            value_bytes: scope.value_bytes,
            actors: scope.actors,
            removals: scope.removals,
            waiting: scope.waiting,
            memory: MemoryBody::of(scope.memory),
            digest: scope.digest.to_string(),
            conflicts: scope.counters.conflicts,
        }
    }
}

impl MemoryBody {
    fn of(memory: MemoryUse) -> Self {
        let MemoryUse { used_bytes, limit_bytes } = memory;
        Self { used_bytes, limit_bytes, level: memory.level().name() }
    }
}

impl Totals {
    fn of(front: &Front, scopes: &[ScopeInfo]) -> Self {
        let node: &Node = &front.node;
        let counters = node.counters();
        let user = || scopes.iter().filter(|scope| !scope.name.is_system());
        Self {
            commands: front.metrics.commands_total(),
            command_errors: front.metrics.errors_total(),
            client_bytes_in: front.metrics.bytes_received(),
            client_bytes_out: front.metrics.bytes_sent(),
            writes: user().map(|scope| scope.counters.written).sum(),
            applied: user().map(|scope| scope.counters.applied).sum(),
            pushed: counters.broadcast.payloads_sent,
            peer_bytes_in: counters.bytes_in,
            peer_bytes_out: counters.bytes_out,
            sync_rounds: counters.sync.rounds,
            sync_equal: counters.sync.equal,
            sync_pulled: counters.sync.pulled,
            sync_failed: counters.sync.failed,
            diverged: counters.node.diverged,
        }
    }
}
