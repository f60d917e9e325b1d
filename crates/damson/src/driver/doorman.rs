//! Looks at the greeting of a peer before the node does, under trust on first use.

use std::sync::Arc;

use bytes::Bytes;
use damson_core::crdt::NodeId;
use damson_core::wire::{GREETING_BYTES_MAX, Message};
use tokio::sync::mpsc;

use crate::trust::{Trust, TrustError};

/// Waits for the peer's hello, and returns it if the peer is trusted where it says that it listens; `None` when the link ends
/// before. The node takes the first hello only, and a peer sends nothing of meaning before it: that is dropped. A peer that says
/// nothing is the node's affair, which ends links that are not greeted in time.
pub(super) async fn trusted_hello(
    trust: &Arc<Trust>,
    peer: NodeId,
    incoming: &mut mpsc::Receiver<Bytes>,
) -> Result<Option<Bytes>, TrustError> {
    while let Some(frame) = incoming.recv().await {
        if let Some(address) = advertised(&frame) {
            trust.greeted(&address, peer).await?;
            return Ok(Some(frame));
        }
    }
    Ok(None)
}

/// The address in a hello.
fn advertised(frame: &Bytes) -> Option<String> {
    match (frame.len() <= GREETING_BYTES_MAX).then(|| Message::decode(frame))? {
        Ok(Message::Hello(hello)) => Some(hello.address),
        _ => None,
    }
}
