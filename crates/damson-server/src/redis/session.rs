//! What a connection has said about itself so far.

use std::sync::Arc;

use damson::Scope;

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
        Self { front, client, protocol: Protocol::Resp2, database: 0, muting: Muting::Off, closing: false }
    }

    /// The scope of the selected database.
    pub fn scope(&self) -> &Scope {
        &self.front.databases[self.database]
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
