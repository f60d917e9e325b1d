//! What passed in one round.

use std::time::Duration;

use bytes::Bytes;
use damson_core::wire::{Message, SyncMessage, decode_chunk};
use damson_crdt::Limits;

/// What passed in one round: anti-entropy's frames in both directions, and what handling them has cost.
#[derive(Debug, Default)]
pub struct Round {
    pub bytes: u64,
    pub frames: u64,
    /// A transfer of everything was among them.
    pub whole: bool,
    /// How many frames, one because of the other, had to pass until both were equal.
    pub equal_after: Option<u32>,
    /// Processor time of each node.
    pub cpu: [Duration; 2],
}

impl Round {
    /// A frame has come to a node.
    pub fn note(&mut self, to: usize, frame: &Bytes, took: Duration) {
        self.bytes += frame.len() as u64;
        self.frames += 1;
        self.whole |= ends_whole_transfer(frame);
        self.cpu[to] += took;
    }
}

fn ends_whole_transfer(frame: &[u8]) -> bool {
    let Ok(Message::Sync(SyncMessage::Chunk { body, .. })) = Message::decode(frame) else { return false };
    let chunk = decode_chunk(&body, &Limits::default()).expect("an honest part");
    chunk.last.is_some_and(|last| last.whole)
}
