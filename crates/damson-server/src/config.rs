//! What the ports are to be.

use std::time::Duration;

use crate::resp::ParseLimits;

/// The ports in front of a node. By default there are none.
#[derive(Debug, Clone, Default)]
pub struct ServerConfig {
    /// Where to speak the Redis protocol, `host:port`; port 0 takes a free one. Loopback only. Default: nowhere.
    pub redis: Option<String>,
    /// Where to speak HTTP, likewise. Default: nowhere.
    pub http: Option<String>,
    /// What clients may ask for.
    pub limits: FrontLimits,
}

/// Bounds of what clients may make the server hold.
#[derive(Debug, Clone)]
pub struct FrontLimits {
    /// Most Redis connections at once; one more gets an error and is closed. Default 10,000, as Redis has it.
    pub clients_max: usize,
    /// Most HTTP connections at once; more wait to be accepted. Default 256: a scraper, some probes, some dashboards.
    pub http_connections_max: usize,
    /// Longest body of an HTTP request, in bytes. Default 64 KiB: no request here needs one.
    pub http_body_bytes_max: usize,
    /// Bounds of one Redis command.
    pub parse: ParseLimits,
    /// Most operations that one command may need, one or two for each key, element or field that it writes. Default
    /// 65,472: what fits into one atomic batch.
    pub writes_max: usize,
    /// Replies of a pipeline are sent when there are this many bytes of them, even if more commands wait. Default 1 MiB.
    /// One reply may be longer: it is built as a whole.
    pub output_bytes_max: usize,
    /// Commands are received ahead, while the client does not take its replies, up to this many bytes. A client that
    /// sends more before it reads is not read from until it does. Default 64 MiB, allocated only as bytes arrive.
    pub ahead_bytes_max: usize,
    /// A client that takes none of its replies for this long is disconnected. Default 60 s.
    pub stalled_max: Duration,
    /// Longest pattern of KEYS and SCAN, in bytes. Default 1 KiB.
    pub pattern_bytes_max: usize,
    /// Most backups under way at once. Default 4: each keeps on disk what was overwritten since it began.
    pub backups_max: usize,
    /// A backup that nobody goes on with for this long is dropped. Default 10 minutes: time to notice that one was
    /// interrupted, and to go on.
    pub backup_idle_max: Duration,
    /// How long [`crate::Server::stop`] waits for what is in flight. Default 5 s.
    pub stop_max: Duration,
}

impl Default for FrontLimits {
    fn default() -> Self {
        Self {
            clients_max: 10_000,
            http_connections_max: 256,
            http_body_bytes_max: 64 << 10,
            parse: ParseLimits::default(),
            writes_max: (1 << 16) - 64,
            output_bytes_max: 1 << 20,
            ahead_bytes_max: 64 << 20,
            stalled_max: Duration::from_secs(60),
            pattern_bytes_max: 1 << 10,
            backups_max: 4,
            backup_idle_max: Duration::from_secs(600),
            stop_max: Duration::from_secs(5),
        }
    }
}
