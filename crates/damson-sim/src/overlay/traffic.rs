//! Frames and bytes sent, by kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::observe::{GRAFT, HAVE, KINDS, VECTOR, kind_of};

/// Frames and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// How many.
    pub frames: u64,
    /// Their bytes together.
    pub bytes: u64,
}

/// What all nodes together have sent.
#[derive(Debug, Clone, Default)]
pub(crate) struct Traffic {
    kinds: [Sent; KINDS.len()],
}

impl Traffic {
    pub fn count(&mut self, frame: &[u8]) {
        if let Some(kind) = kind_of(frame) {
            self.kinds[kind].frames += 1;
            self.kinds[kind].bytes += frame.len() as u64;
        }
    }

    /// What was sent since it stood like this.
    pub fn since(&self, before: &Self) -> Self {
        let mut out = self.clone();
        for (now, before) in out.kinds.iter_mut().zip(&before.kinds) {
            now.frames -= before.frames;
            now.bytes -= before.bytes;
        }
        out
    }

    pub fn frames(&self) -> u64 {
        self.kinds.iter().map(|sent| sent.frames).sum()
    }

    pub fn bytes(&self) -> u64 {
        self.kinds.iter().map(|sent| sent.bytes).sum()
    }

    pub fn frames_of(&self, kind: usize) -> u64 {
        self.kinds[kind].frames
    }

    /// Frames by which the broadcast looks after itself.
    pub fn control(&self) -> u64 {
        [HAVE, GRAFT, VECTOR].map(|kind| self.frames_of(kind)).iter().sum()
    }

    pub fn by_name(&self) -> BTreeMap<String, Sent> {
        let named = KINDS.iter().zip(&self.kinds).filter(|(_, sent)| sent.frames > 0);
        named.map(|(name, sent)| ((*name).to_owned(), *sent)).collect()
    }
}
