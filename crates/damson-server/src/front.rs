//! What all connections share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use damson::{Node, Scope};

use crate::backups::Backups;
use crate::clients::Clients;
use crate::config::FrontLimits;
use crate::metrics::Metrics;

/// Databases that SELECT knows.
pub(crate) const DATABASES: usize = 16;

/// The node and what is counted around it.
pub(crate) struct Front {
    pub node: Node,
    /// The scope of each database.
    pub databases: Vec<Scope>,
    pub limits: FrontLimits,
    pub metrics: Metrics,
    pub clients: Clients,
    pub backups: Arc<Backups>,
    pub started: Instant,
    pub redis_address: Option<SocketAddr>,
    pub http_address: Option<SocketAddr>,
}

impl Front {
    pub fn new(
        node: Node,
        limits: FrontLimits,
        redis_address: Option<SocketAddr>,
        http_address: Option<SocketAddr>,
    ) -> Self {
        let scope = |at| node.scope(&scope_name(at)).expect("names of databases are names of scopes");
        Self {
            databases: (0..DATABASES).map(scope).collect(),
            metrics: Metrics::new(),
            clients: Clients::new(limits.clients_max),
            backups: Backups::new(&limits),
            started: Instant::now(),
            node,
            limits,
            redis_address,
            http_address,
        }
    }
}

fn scope_name(database: usize) -> String {
    if database == 0 { "default".into() } else { format!("db{database}") }
}
