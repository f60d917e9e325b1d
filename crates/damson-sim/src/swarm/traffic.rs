//! Frames and bytes sent, by kind.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Messages by their numbers on the wire.
const KINDS: [&str; 23] = [
    "hello",
    "welcome",
    "refuse",
    "ping",
    "pong",
    "ping_request",
    "ping_vouch",
    "push",
    "sync",
    "bye",
    "overlay",
    "have",
    "graft",
    "vector",
    "ask",
    "answer",
    "check",
    "equal",
    "cast",
    "call",
    "return",
    "cast_tops",
    "other",
];
const HAVE: usize = 11;
const GRAFT: usize = 12;
pub(crate) const VECTOR: usize = 13;
/// What has no name here is counted all the same.
const OTHER: usize = KINDS.len() - 1;

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
        let sent = &mut self.kinds[kind_of(frame)];
        sent.frames += 1;
        sent.bytes += frame.len() as u64;
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

/// The name of a frame's message.
pub(crate) fn kind_name(frame: &[u8]) -> &'static str {
    KINDS[kind_of(frame)]
}

/// The number of a frame's message: the second byte, behind the head of an array of two.
fn kind_of(frame: &[u8]) -> usize {
    frame.get(1).map_or(OTHER, |number| usize::from(*number).min(OTHER))
}

#[cfg(test)]
mod tests {
    use damson_core::scope::ScopeName;
    use damson_core::wire::{Message, OverlayMessage};

    use super::*;

    #[test]
    fn kinds_are_the_numbers_on_the_wire() {
        let push = Message::Push { scope: ScopeName::roster(), batches: vec![], round: 1 };
        for (message, kind) in [
            (push, 7),
            (Message::Have(vec![]), HAVE),
            (Message::Graft(vec![]), GRAFT),
            (Message::Vector(vec![]), VECTOR),
            (Message::Overlay(OverlayMessage::Join), 10),
            (Message::Bye, 9),
            (Message::Check([0; 8]), 16),
            (Message::Equal, 17),
        ] {
            assert_eq!(kind_of(&message.encode()), kind, "{message:?}");
        }
        assert_eq!((KINDS[16], KINDS[17]), ("check", "equal"));
        assert_eq!([kind_of(&[0x82]), kind_of(&[0x82, 0x18, 0x40])], [OTHER; 2]);
    }
}
