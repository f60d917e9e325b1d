//! What the ports count. Connections only add to numbers; `http` tells Prometheus and the dashboard when they ask.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::commands::{CommandError, TABLE};

/// The numbers of a server since its start.
pub(crate) struct Metrics {
    /// For each command of the table: executed, refused.
    commands: Vec<[AtomicU64; 2]>,
    /// For each of [`ERROR_KINDS`].
    errors: Vec<AtomicU64>,
    received: AtomicU64,
    sent: AtomicU64,
    connected: AtomicU64,
    refused: AtomicU64,
    http: AtomicU64,
}

/// Kinds of errors that are none of a command: bytes that follow no protocol.
const PROTOCOL: &str = "protocol";

impl Metrics {
    pub fn new() -> Self {
        let errors = CommandError::KINDS.len() + 1;
        Self {
            commands: TABLE.iter().map(|_| Default::default()).collect(),
            errors: (0..errors).map(|_| AtomicU64::default()).collect(),
            received: AtomicU64::default(),
            sent: AtomicU64::default(),
            connected: AtomicU64::default(),
            refused: AtomicU64::default(),
            http: AtomicU64::default(),
        }
    }

    /// The command at this place of the table was executed, or refused.
    pub fn executed(&self, place: usize, ok: bool) {
        add(&self.commands[place][usize::from(!ok)], 1);
    }

    /// An error was the reply.
    pub fn failed(&self, kind: &str) {
        if let Some(place) = error_kinds().position(|known| known == kind) {
            add(&self.errors[place], 1);
        }
    }

    /// A connection ended because its bytes follow no protocol.
    pub fn malformed(&self) {
        self.failed(PROTOCOL);
    }

    pub fn received(&self, bytes: usize) {
        add(&self.received, bytes as u64);
    }

    pub fn sent(&self, bytes: usize) {
        add(&self.sent, bytes as u64);
    }

    pub fn client_connected(&self) {
        add(&self.connected, 1);
    }

    pub fn client_refused(&self) {
        add(&self.refused, 1);
    }

    pub fn http_request(&self) {
        add(&self.http, 1);
    }

    /// Name, executed, refused, of every command that was used.
    pub fn commands(&self) -> impl Iterator<Item = (&'static str, u64, u64)> {
        let used = TABLE.iter().zip(&self.commands);
        used.map(|(command, [ok, refused])| (command.name, get(ok), get(refused)))
            .filter(|(_, a, b)| a + b > 0)
    }

    /// Commands executed or refused, unknown ones aside.
    pub fn commands_total(&self) -> u64 {
        self.commands.iter().flatten().map(get).sum()
    }

    /// How many errors of each kind were replied.
    pub fn errors(&self) -> impl Iterator<Item = (&'static str, u64)> {
        error_kinds().zip(self.errors.iter().map(get))
    }

    pub fn errors_total(&self) -> u64 {
        self.errors.iter().map(get).sum()
    }

    pub fn bytes_received(&self) -> u64 {
        get(&self.received)
    }

    pub fn bytes_sent(&self) -> u64 {
        get(&self.sent)
    }

    pub fn clients_connected(&self) -> u64 {
        get(&self.connected)
    }

    pub fn clients_refused(&self) -> u64 {
        get(&self.refused)
    }

    pub fn http_requests(&self) -> u64 {
        get(&self.http)
    }
}

fn error_kinds() -> impl Iterator<Item = &'static str> {
    CommandError::KINDS.iter().copied().chain([PROTOCOL])
}

fn add(counter: &AtomicU64, n: u64) {
    counter.fetch_add(n, Ordering::Relaxed);
}

fn get(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}
