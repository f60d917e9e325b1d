//! Who is connected.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::time::Instant;

use parking_lot::Mutex;

use crate::commands::TABLE;
use crate::resp::Protocol;

/// The connections of the Redis port.
pub(crate) struct Clients {
    limit: usize,
    next_id: AtomicU64,
    connected: Mutex<BTreeMap<u64, Arc<Client>>>,
}

/// One connection, as CLIENT LIST shows it.
pub(crate) struct Client {
    pub id: u64,
    address: SocketAddr,
    local_address: SocketAddr,
    since: Instant,
    /// Milliseconds after `since` of the last command.
    active_ms: AtomicU64,
    /// Its place in the command table.
    last_command: AtomicU16,
    pub profile: Mutex<Profile>,
}

/// What a client said about itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Profile {
    pub name: String,
    pub library: String,
    pub library_version: String,
    pub database: usize,
    pub protocol: Protocol,
}

impl Clients {
    pub fn new(limit: usize) -> Self {
        Self { limit, next_id: AtomicU64::new(1), connected: Mutex::default() }
    }

    /// Registers a connection; `None` when there are too many.
    pub fn admit(&self, address: SocketAddr, local_address: SocketAddr) -> Option<Arc<Client>> {
        let mut connected = self.connected.lock();
        if connected.len() >= self.limit {
            return None;
        }
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let client = Arc::new(Client::new(id, address, local_address));
        connected.insert(id, client.clone());
        Some(client)
    }

    pub fn leave(&self, id: u64) {
        self.connected.lock().remove(&id);
    }

    pub fn len(&self) -> usize {
        self.connected.lock().len()
    }

    pub fn limit(&self) -> usize {
        self.limit
    }

    /// All of them, the oldest first.
    pub fn all(&self) -> Vec<Arc<Client>> {
        self.connected.lock().values().cloned().collect()
    }
}

impl Client {
    fn new(id: u64, address: SocketAddr, local_address: SocketAddr) -> Self {
        Self {
            id,
            address,
            local_address,
            since: Instant::now(),
            active_ms: AtomicU64::new(0),
            last_command: AtomicU16::new(u16::MAX),
            profile: Mutex::default(),
        }
    }

    /// Something arrived.
    pub fn touch(&self) {
        self.active_ms.store(self.age_ms(), Ordering::Relaxed);
    }

    /// A command is executed.
    pub fn executes(&self, command: usize) {
        self.last_command.store(u16::try_from(command).unwrap_or(u16::MAX), Ordering::Relaxed);
    }

    /// The line of CLIENT LIST, without its end.
    pub fn line(&self) -> String {
        let profile = self.profile.lock().clone();
        let age_ms = self.age_ms();
        let idle_ms = age_ms.saturating_sub(self.active_ms.load(Ordering::Relaxed));
        let last =
            TABLE.get(usize::from(self.last_command.load(Ordering::Relaxed))).map_or("NULL", |c| c.name);
        format!(
            "id={} addr={} laddr={} name={} age={} idle={} flags=N db={} cmd={last} user=default resp={} \
             lib-name={} lib-ver={}",
            self.id,
            self.address,
            self.local_address,
            profile.name,
            age_ms / 1_000,
            idle_ms / 1_000,
            profile.database,
            profile.protocol.number(),
            profile.library,
            profile.library_version,
        )
    }

    fn age_ms(&self) -> u64 {
        u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
