//! What kind of frame a message is, and how far a delivery has come. The peer keeps both to itself, but both are in the bytes
//! that it sends.

use iroh_gossip::proto::state::MessageKind;
use iroh_gossip::proto::{DeliveryScope, Message};

use super::network::NodeNo;

/// Bytes of a topic, before the message itself.
const TOPIC_BYTES: usize = 32;

/// Kinds of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FrameKind {
    /// A payload.
    Payload,
    /// "Send me announcements only."
    Prune,
    /// "Send me this, and payloads from now on."
    Graft,
    /// "I have these."
    IHave,
    /// HyParView: joins, shuffles.
    Membership,
}

impl FrameKind {
    /// What a message is.
    pub fn of(message: &Message<NodeNo>) -> Self {
        if matches!(message.kind(), MessageKind::Data) {
            return Self::Payload;
        }
        let bytes = postcard::to_allocvec(message).expect("messages can be encoded");
        // The number of the layer (membership, broadcast), then the number of the message in it.
        match bytes[TOPIC_BYTES..] {
            [0, ..] => Self::Membership,
            [1, 1, ..] => Self::Prune,
            [1, 2, ..] => Self::Graft,
            [1, 3, ..] => Self::IHave,
            _ => unreachable!("this version of the protocol has no other messages"),
        }
    }

    /// Its name in the output.
    pub fn name(self) -> &'static str {
        match self {
            Self::Payload => "payload",
            Self::Prune => "prune",
            Self::Graft => "graft",
            Self::IHave => "ihave",
            Self::Membership => "membership",
        }
    }
}

/// How many hops a delivery has come: 1 from the author itself, where the peer counts 0.
pub fn hops(scope: DeliveryScope) -> u32 {
    let bytes = postcard::to_allocvec(&scope).expect("scopes can be encoded");
    // Swarm is number 0, with the rounds before; Neighbors is number 1, with nothing, and always one hop.
    let (_, rounds): (u32, u16) = postcard::from_bytes(&bytes).unwrap_or((1, 0));
    u32::from(rounds) + 1
}

#[cfg(test)]
mod tests {
    use serde::Serialize;

    use super::*;

    fn message(bytes: &[u8]) -> Message<NodeNo> {
        let mut all = vec![0; TOPIC_BYTES];
        all.extend_from_slice(bytes);
        postcard::from_bytes(&all).unwrap()
    }

    fn scope(parts: impl Serialize) -> DeliveryScope {
        postcard::from_bytes(&postcard::to_allocvec(&parts).unwrap()).unwrap()
    }

    #[test]
    fn kinds_are_read_from_the_bytes() {
        // A payload: its id, no bytes, from the author himself.
        let payload = [&[1, 0][..], &[7; 32], &[0, 0, 0]].concat();
        assert_eq!(FrameKind::of(&message(&payload)), FrameKind::Payload);
        assert_eq!(FrameKind::of(&message(&[1, 1])), FrameKind::Prune);
        assert_eq!(FrameKind::of(&message(&[1, 2, 0, 3])), FrameKind::Graft);
        assert_eq!(FrameKind::of(&message(&[1, 3, 0])), FrameKind::IHave);
        assert_eq!(FrameKind::of(&message(&[0, 0, 0])), FrameKind::Membership);
    }

    #[test]
    fn hops_begin_with_one() {
        assert_eq!(hops(scope((0_u32, 0_u16))), 1);
        assert_eq!(hops(scope((0_u32, 300_u16))), 301);
        assert_eq!(hops(DeliveryScope::Neighbors), 1);
    }
}
