//! What passed in one round.

use std::time::Duration;

use bytes::Bytes;
use damson_core::replica::{Demand, Extent};
use damson_core::wire::{Message, SyncMessage, decode_chunk, decode_demand};
use damson_crdt::Limits;

/// What passed in one round: anti-entropy's frames in both directions, and what handling them has cost.
#[derive(Debug, Default)]
pub struct Round {
    pub bytes: u64,
    pub frames: u64,
    /// The widest transfer among them.
    pub extent: Option<Extent>,
    /// Coded symbols.
    pub symbols: u64,
    /// Their bytes.
    pub symbol_bytes: u64,
    /// Bytes of the frames that carried these, or asked for more or for what they had shown.
    pub sketch_bytes: u64,
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
        self.cpu[to] += took;
        self.look_into(frame);
    }

    fn look_into(&mut self, frame: &Bytes) {
        match Message::decode(frame) {
            Ok(Message::Sync(SyncMessage::Next { demand, .. })) => {
                let demand = decode_demand(&demand, &Limits::default()).expect("an honest demand");
                if !matches!(demand, None | Some(Demand::Seen(_))) {
                    self.sketch_bytes += frame.len() as u64;
                }
            }
            Ok(Message::Sync(SyncMessage::Chunk { body, .. })) => {
                let chunk = decode_chunk(&body, &Limits::default()).expect("an honest part");
                if let Some(symbols) = chunk.symbols {
                    self.symbols += u64::from(symbols.len);
                    self.symbol_bytes += symbols.bytes.len() as u64;
                    self.sketch_bytes += frame.len() as u64;
                }
                self.extent = self.extent.max(chunk.last.map(|last| last.extent));
            }
            _ => {}
        }
    }
}
