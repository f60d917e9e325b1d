//! Messages that are no state: out, and in to those who listen.

use std::sync::Arc;

use bytes::Bytes;
use damson_core::casts::Tag;

use super::Driver;
use crate::broadcast::{Exchanges, Handlers};
use crate::casts::{CastError, Listeners};

impl Driver {
    pub fn listeners(&self) -> &Listeners {
        &self.listeners
    }

    pub fn handlers(&self) -> &Handlers {
        &self.handlers
    }

    pub fn exchanges(&self) -> &Exchanges {
        &self.exchanges
    }

    /// Sends once there is room. Returns the message's number.
    pub async fn cast(self: &Arc<Self>, tag: &Tag, body: Bytes) -> Result<u64, CastError> {
        self.wait_for_room().await?;
        let mut state = self.state.lock();
        if state.stopped {
            return Err(CastError::Stopped);
        }
        let mut effects = Vec::new();
        let sent = state.node.cast(tag, body, self.clock.now(), &mut effects);
        self.carry_out(&mut state, effects);
        Ok(sent?)
    }
}
