//! What a connection has said about itself so far.

use std::collections::BTreeMap;
use std::sync::Arc;

use damson::{Acknowledging, Scope, WriteId};

use crate::clients::Client;
use crate::front::Front;
use crate::resp::Protocol;

/// The state of one client's conversation.
pub(crate) struct Session {
    pub front: Arc<Front>,
    pub client: Arc<Client>,
    pub protocol: Protocol,
    pub database: usize,
    /// Which replies the client wants (CLIENT REPLY).
    pub muting: Muting,
    /// The client said goodbye.
    pub closing: bool,
    /// The last write in each database, by its number.
    pub writes: BTreeMap<usize, WriteId>,
    /// The command has no reply yet: it waits for other members.
    pub pending: Option<Pending>,
}

/// A reply that waits until members have what the client wrote.
pub(crate) struct Pending {
    pub waiting: Acknowledging,
    /// The client does not want it.
    pub muted: bool,
}

/// Which replies are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Muting {
    /// All.
    Off,
    /// All but that of this command and the next.
    Skip,
    /// All but that of this command.
    Skipping,
    /// None.
    On,
}

impl Session {
    pub fn new(front: Arc<Front>, client: Arc<Client>) -> Self {
        Self {
            front,
            client,
            protocol: Protocol::Resp2,
            database: 0,
            muting: Muting::Off,
            closing: false,
            writes: BTreeMap::new(),
            pending: None,
        }
    }

    /// The scope of the selected database.
    pub fn scope(&self) -> &Scope {
        &self.front.databases[self.database]
    }

    /// The client has written in its database.
    pub fn wrote(&mut self, write: WriteId) {
        self.writes.insert(self.database, write);
    }

    /// The client has written in some databases, and what was the last is not told.
    pub fn wrote_anywhere(&mut self) {
        let last = |(at, scope): (usize, &Scope)| Some((at, scope.last_write()?));
        self.writes = self.front.databases.iter().enumerate().filter_map(last).collect();
    }

    pub fn select(&mut self, database: usize) {
        self.database = database;
        self.client.profile.lock().database = database;
    }

    pub fn speak(&mut self, protocol: Protocol) {
        self.protocol = protocol;
        self.client.profile.lock().protocol = protocol;
    }

    /// As after connecting.
    pub fn reset(&mut self) {
        self.select(0);
        self.speak(Protocol::Resp2);
        self.muting = Muting::Off;
        self.client.profile.lock().name.clear();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.front.clients.leave(self.client.id);
    }
}
