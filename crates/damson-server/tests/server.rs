//! The ports in front of nodes in memory, over real sockets.

#[path = "server/backups.rs"]
mod backups;
#[path = "server/client.rs"]
mod client;
#[path = "server/connections.rs"]
mod connections;
#[path = "server/errors.rs"]
mod errors;
#[path = "server/exchanges.rs"]
mod exchanges;
#[path = "server/hashes.rs"]
mod hashes;
#[path = "server/http.rs"]
mod http;
#[path = "server/keys.rs"]
mod keys;
#[path = "server/limits.rs"]
mod limits;
#[path = "server/memory.rs"]
mod memory;
#[path = "server/ports.rs"]
mod ports;
#[path = "server/sessions.rs"]
mod sessions;
#[path = "server/sets.rs"]
mod sets;
#[path = "server/strings.rs"]
mod strings;
#[path = "server/wait.rs"]
mod wait;
